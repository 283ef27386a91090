"""A corpus of hostile tokens: each is a way in which a JWT was once, or could be, believed without a right.

`hostile_tokens` makes them anew for the keys at hand. Each has a name, and the door that it aims at; it has to
be refused at all of them. What is really signed lies in one thing only, so that nothing else refuses it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from session.keys import ClusterKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""Of the base point of Ed25519: a signature with S + ORDER is as good to a check that forgets the bound."""

KINDS: Final = ("user", "session", "room")
SESSION: Final = "0123456789abcdef" * 2
ROOM: Final = "hall"


@dataclass(frozen=True)
class Hostile:
    """A token that nobody may believe."""

    name: str
    token: str


def hostile_tokens(keys: ClusterKeys, *, cluster: str, now: float) -> list[Hostile]:
    """All of them, for the keys of that cluster at that time."""
    forge = Forge(keys, cluster, now)
    parts = (forge.algorithms(), forge.headers(), forge.signatures(), forge.claims(), forge.bodies(), forge.forms())
    return [hostile for part in parts for hostile in part]


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


class Forge:
    """Makes tokens that are right but for one thing."""

    def __init__(self, keys: ClusterKeys, cluster: str, now: float) -> None:
        self.keys = keys
        self.cluster = cluster
        self.now = now
        self.kid = next(iter(keys.verifying))
        self.public = keys.public_keys[0]

    def head(self, **changes: Any) -> dict[str, Any]:
        named = {"alg": "Ed25519", "typ": "JWT", "kid": self.kid, **changes}
        return {name: value for name, value in named.items() if value is not ...}

    def body(self, kind: str, **changes: Any) -> dict[str, Any]:
        """Claims that are taken as they are; ... takes one out."""
        named: dict[str, Any] = {
            "iss": self.cluster,
            "aud": f"starling/{kind}",
            "sub": "us_1",
            "exp": self.now + 600,
            "iat": self.now,
            "jti": "x",
            "name": "Ann",
        }
        if kind != "user":
            named |= {"device": "device-01", "session": SESSION}
        if kind == "room":
            named |= {"room": ROOM, "attempt": 1}
        return {name: value for name, value in (named | changes).items() if value is not ...}

    def signed(self, head: dict[str, Any] | str | bytes, body: dict[str, Any] | str | bytes, by: Any = None) -> str:
        text = ".".join(b64(json.dumps(part) if isinstance(part, dict) else part) for part in (head, body))
        return f"{text}.{b64((by or self.keys.signing_key).sign(text.encode()))}"

    def good(self, kind: str) -> str:
        return self.signed(self.head(), self.body(kind))

    def _hmac(self, algorithm: str, secret: bytes, kind: str) -> str:
        digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
        text = f"{b64(json.dumps(self.head(alg=algorithm)))}.{b64(json.dumps(self.body(kind)))}"
        return f"{text}.{b64(hmac.new(secret, text.encode(), digest).digest())}"

    def algorithms(self) -> Iterator[Hostile]:
        """The header chooses another way to be checked."""
        key = self.keys.signing_key.public_key()
        secrets = {
            "raw": self.public,
            "text": b64(self.public).encode(),
            "pem": key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "der": key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
            "kid": self.kid.encode(),
            "empty": b"",
        }
        for kind in KINDS:
            for alg in ("none", "None", "NONE", "nOnE", "none ", "", " ", "null"):
                text = f"{b64(json.dumps(self.head(alg=alg)))}.{b64(json.dumps(self.body(kind)))}"
                yield Hostile(f"{kind}: alg {alg!r}, unsigned", f"{text}.")
                yield Hostile(f"{kind}: alg {alg!r}, signed", self.signed(self.head(alg=alg), self.body(kind)))
            for alg in ("HS256", "HS384", "HS512"):
                for name, secret in secrets.items():
                    yield Hostile(f"{kind}: {alg} with the public key as {name}", self._hmac(alg, secret, kind))
            for alg in (
                "RS256",
                "PS256",
                "ES256",
                "ES256K",
                "ES512",
                "Ed448",
                "ed25519",
                "EDDSA",
                "Ed25519ph",
                "X25519",
            ):
                yield Hostile(f"{kind}: {alg} over our signature", self.signed(self.head(alg=alg), self.body(kind)))
            for other in (None, 1, True, [], ["Ed25519"], {"alg": "Ed25519"}, ...):
                yield Hostile(f"{kind}: alg {other!r}", self.signed(self.head(alg=other), self.body(kind)))
        yield from self._foreign_algorithms()

    def _foreign_algorithms(self) -> Iterator[Hostile]:
        curve, rsa_key = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
        ed448 = Ed448PrivateKey.generate()
        for kind in KINDS:
            body = b64(json.dumps(self.body(kind)))
            for kid in (self.kid, ...):
                text = f"{b64(json.dumps(self.head(alg='ES256', kid=kid)))}.{body}"
                r, s = decode_dss_signature(curve.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
                yield Hostile(f"{kind}: ES256, kid {kid}", f"{text}.{b64(r.to_bytes(32) + s.to_bytes(32))}")
                yield Hostile(f"{kind}: ES256 of zeros, kid {kid}", f"{text}.{b64(bytes(64))}")
                text = f"{b64(json.dumps(self.head(alg='RS256', kid=kid)))}.{body}"
                signature = rsa_key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
                yield Hostile(f"{kind}: RS256, kid {kid}", f"{text}.{b64(signature)}")
                for alg in ("Ed448", "EdDSA", "Ed25519"):
                    forged = self.signed(self.head(alg=alg, kid=kid), self.body(kind), by=ed448)
                    yield Hostile(f"{kind}: a key of Ed448 as {alg}, kid {kid}", forged)

    def headers(self) -> Iterator[Hostile]:
        """The header brings its own key, names another, or asks for more than is known."""
        theirs = ClusterKeys.generate()
        jwk = theirs.jwks()["keys"][0]
        brought: dict[str, Any] = {
            "jwk": jwk,
            "jku": "https://evil.test/jwks.json",
            "x5u": "https://evil.test/chain.pem",
            "x5c": ["MIIB"],
            "x5t": "AAAA",
            "x5t#S256": "AAAA",
            "crit": ["exp"],
            "b64": False,
            "zip": "DEF",
            "enc": "A128GCM",
            "cty": "JWT",
            "epk": jwk,
            "nonce": "x",
            "exp": 0,
            "iss": "alps",
            "url": "http://localhost/",
        }
        types: list[Any] = ["JWE", "at+jwt", "", "JWS", None, 1, [], "JwT "]
        for kind in KINDS:
            for name, value in brought.items():
                yield Hostile(f"{kind}: {name}, our key", self.signed(self.head(**{name: value}), self.body(kind)))
                head = self.head(kid=jwk["kid"], **{name: value})
                yield Hostile(f"{kind}: {name}, their key", self.signed(head, self.body(kind), theirs.signing_key))
            for kid in (
                "../../../../dev/null", "' OR '1'='1", "x' UNION SELECT 'k", "\x00", "", " ", self.kid.lower(),
                f"{self.kid} ",
                f"{self.kid}\x00", "|sleep 1", "file:///etc/passwd", "http://evil.test/", "k" * 400, "\u202e",
                jwk["kid"],
                0, True, [], [self.kid], {"kid": self.kid}, -1, 1e400,
            ):  # fmt: skip
                yield Hostile(
                    f"{kind}: kid {kid!r}", self.signed(self.head(kid=kid), self.body(kind), theirs.signing_key)
                )
            for typ in types:
                yield Hostile(f"{kind}: typ {typ!r}", self.signed(self.head(typ=typ), self.body(kind)))
            for text in (
                "{}", "[]", "null", "1", '""', "", "{", "\ufeff{}", '{"alg"}', "NaN", "{" * 200, "[" * 200 + "]" * 200,
                json.dumps(self.head()) + " x", json.dumps(self.head()) + json.dumps(self.head()),
                json.dumps([self.head()]),
                json.dumps(self.head(pad="x" * 600)), json.dumps(self.head()).replace('"', "'"),
                '{"alg":"Ed25519","alg":"none"}',
                '{"alg":"none","alg":"HS256"}',
            ):  # fmt: skip
                yield Hostile(f"{kind}: header {text[:30]!r}", self.signed(text, self.body(kind)))
            for raw in (b"\xff\xfe", b"\x00", json.dumps(self.head()).encode("utf-16"), zlib.compress(b"{}")):
                yield Hostile(f"{kind}: header {raw[:8]!r}", self.signed(raw, self.body(kind)))

    def signatures(self) -> Iterator[Hostile]:
        """The signature is not the one that the key made over this text."""
        theirs = ClusterKeys.generate().signing_key
        for kind in KINDS:
            good = self.good(kind)
            text, _, last = good.rpartition(".")
            raw = base64.urlsafe_b64decode(last + "==")
            point, scalar = raw[:32], int.from_bytes(raw[32:], "little")
            small = [bytes(32), b"\x01" + bytes(31), (2**255 - 20).to_bytes(32, "little"), b"\xff" * 32]
            changed = {
                "none": b"",
                "zeros": bytes(64),
                "ones": b"\xff" * 64,
                "one byte less": raw[:-1],
                "one byte more": raw + b"\x00",
                "twice": raw + raw,
                "halves swapped": raw[32:] + raw[:32],
                "backwards": raw[::-1],
                "first bit": bytes([raw[0] ^ 1]) + raw[1:],
                "last bit": raw[:-1] + bytes([raw[-1] ^ 0x80]),
                "S + L": point + (scalar + ORDER).to_bytes(32, "little"),
                "L - S": point + (ORDER - scalar).to_bytes(32, "little"),
                "S = 0": point + bytes(32),
                "S = L": point + ORDER.to_bytes(32, "little"),
                "of the public key": self.public + raw[32:],
                **{f"small point {number}": one + bytes(32) for number, one in enumerate(small)},
                **{f"small point {number}, S kept": one + raw[32:] for number, one in enumerate(small)},
            }
            for name, signature in changed.items():
                yield Hostile(f"{kind}: signature {name}", f"{text}.{b64(signature)}")
            for kid in (self.kid, ...):
                forged = self.signed(self.head(kid=kid), self.body(kind), theirs)
                yield Hostile(f"{kind}: signed by another key, kid {kid}", forged)
            head, body, _ = good.split(".")
            other = self.signed(self.head(), self.body(kind, sub="us_2"))
            yield Hostile(f"{kind}: another token's signature", f"{text}.{other.rpartition('.')[2]}")
            yield Hostile(f"{kind}: another user's body", f"{head}.{other.split('.')[1]}.{last}")
            yield Hostile(
                f"{kind}: signature over the body alone", f"{text}.{b64(self.keys.signing_key.sign(body.encode()))}"
            )
            plain = (json.dumps(self.head()) + "." + json.dumps(self.body(kind))).encode()
            yield Hostile(
                f"{kind}: signature over the decoded text", f"{text}.{b64(self.keys.signing_key.sign(plain))}"
            )

    def claims(self) -> Iterator[Hostile]:
        """Really signed, but not meant for this, not now, or not by this cluster."""
        now, far = self.now, 10.0**18
        wrong: dict[str, list[Any]] = {
            "iss": [..., "", "other", self.cluster + " ", self.cluster.upper(), None, 1, [self.cluster], {}, "\x00"],
            "aud": [..., "", "starling", "starling/", "starling/other", None, 1, [], [1], ["a", "b"], {}, [[]],
                    ["starling/*"]],
            "sub": [..., "", "x" * 129, "a\x00b", "a\nb", None, 1, [], {}, "\u202eann", True],
            "exp": [..., None, "soon", now - 600, 0, -1, -far, [], {}, True, far, 2**70, now - 1e9],
            "iat": [..., None, "now", now + 600, -1, -far, [], far, 2**70, False],
            "nbf": ["now", now + 600, -1, -far, [], {}, far, 2**70],
            "jti": [..., "", None, 1, [], "x" * 129],
            "name": ["x" * 65, "a\x00", "\u202e", None, 1, []],
            "grants": [None, True, "*", [], 1, {"join": 1}, {"rooms": ""}, {"rooms": "x" * 129}, {"rooms": 1},
                    {"rooms": ["*"]},
                       {"rooms": "\u202e"}, {"publsh": False}, {"root": True}, {"join": None}, {"admin": "true"}],
        }  # fmt: skip
        for kind in KINDS:
            for claim, values in wrong.items():
                for value in values:
                    yield Hostile(
                        f"{kind}: {claim} {value!r}"[:80], self.signed(self.head(), self.body(kind, **{claim: value}))
                    )
        for claim, values in {
            "device": [..., "", "short", "x" * 65, "a b c d e f", None, 1, "../../etc"],
            "session": ["", "x", SESSION.upper(), SESSION + "0", 1, [], "g" * 32],
            "room": [..., "", "a b", "x" * 65, "../x", None, 1, "*"],
            "attempt": [..., 0, -1, 1.5, "1", None, 2**63, 10**30, [], True],
        }.items():
            for value in values:
                kinds = ("room",) if claim in ("room", "attempt") else ("session", "room")
                for kind in kinds:
                    yield Hostile(
                        f"{kind}: {claim} {value!r}", self.signed(self.head(), self.body(kind, **{claim: value}))
                    )
        for kind in KINDS:
            others = [f"starling/{one}" for one in KINDS if one != kind]
            missing = {"user": ..., "session": ..., "room": ...}
            yield Hostile(
                f"{kind}: its audience with nothing else",
                self.signed(self.head(), {"aud": f"starling/{kind}", **_bare(missing)}),
            )
            yield Hostile(f"{kind}: for nobody of {others}", self.signed(self.head(), self.body(kind, aud=["x", "y"])))

    def bodies(self) -> Iterator[Hostile]:
        """Really signed, but what is signed is no set of claims."""
        for kind in KINDS:
            plain = json.dumps(self.body(kind))
            for text in (
                "", "{", "}", "null", "[]", "1", '""', "{}", "\x00", "\ufeff" + plain, plain + "x", plain + plain,
                f"[{plain}]",
                plain.replace('"', "'"), "[" * 900, "{\"a\":" * 500, plain[:-1], plain.replace(str(self.now + 600),
                "NaN"),
                plain.replace(str(self.now + 600), "Infinity"), plain.replace(str(self.now + 600), "-Infinity"),
                plain.replace(str(self.now + 600), "1e999"), plain.replace(str(self.now + 600), "0x7fffffff"),
                plain[:-1] + ', "exp": 1}', plain[:-1] + ', "aud": "x"}', plain[:-1] + ', "iss": "x"}',
                plain[:-1] + ', "sub": ""}',
                plain[:-1] + ', "sub": "\\ud800"}', plain[:-1] + ', "jti": "\\u0000' + "x" * 128 + '"}',
                plain[:-1] + ",}",
                "/**/" + plain[:-1],
            ):  # fmt: skip
                yield Hostile(f"{kind}: body {text[:20]!r}...{text[-12:]!r}", self.signed(self.head(), text))
            for raw in (
                b"\xff",
                plain.encode("utf-16"),
                plain.encode("utf-32"),
                zlib.compress(plain.encode()),
                b"\xc0\xaf{}",
            ):
                yield Hostile(f"{kind}: body {raw[:8]!r}", self.signed(self.head(), raw))

    def forms(self) -> Iterator[Hostile]:
        """Not the one spelling of a compact JWS."""
        for kind in KINDS:
            good = self.good(kind)
            head, body, signature = good.split(".")
            texts = {
                "nothing": "",
                "a space": " ",
                "dots": "..",
                "more dots": "." * 5,
                "many dots": "." * 4_000,
                "a word": "token",
                "two parts": f"{head}.{body}",
                "one part": head,
                "an empty fourth part": f"{good}.",
                "a fourth part": f"{good}.{signature}",
                "five parts": f"{good}.{head}.{body}",
                "a dot before": f".{good}",
                "no header": f".{body}.{signature}",
                "no body": f"{head}..{signature}",
                "no signature": f"{head}.{body}.",
                "padding": f"{head}=.{body}.{signature}",
                "padded signature": f"{good}==",
                "a space before": f" {good}",
                "a space behind": f"{good} ",
                "a line break": f"{good}\n",
                "a break within": f"{head}.\n{body}.{signature}",
                "a tab": f"{head}\t.{body}.{signature}",
                "a zero byte": f"{good}\x00",
                "the standard alphabet": f"{head}.{body}.{signature[:-2]}+/",
                "a bit that is not used": good[:-1] + _neighbour(good[-1]),
                "letters of another script": good[:-1] + "\u0430",
                "a full-width dot": good.replace(".", "\uff0e"),
                "an invisible letter": good.replace(".", ".\u200b", 1),
                "percent signs": good.replace(".", "%2e"),
                "in quotes": f'"{good}"',
                "Bearer within": f"Bearer {good}",
                "twice": f"{good},{good}",
                "huge": f"{head}.{body}.{signature}" + "A" * 5_000,
                "a huge body": self.signed(self.head(), self.body(kind, pad="x" * 5_000)),
                "as JSON": json.dumps({"protected": head, "payload": body, "signature": signature}),
                "detached": f"{head}..{signature}",
                "as a JWE": f"{head}.{body}.{signature}.{body}.{signature}",
                "lower case": good.lower(),
                "backwards": good[::-1],
                "parts turned": f"{body}.{head}.{signature}",
                "within another": self.signed(self.head(cty="JWT"), good),
            }
            for name, text in texts.items():
                yield Hostile(f"{kind}: {name}", text)
            for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
                yield Hostile(f"{kind}: the first {share} of it", good[: int(len(good) * share)])


def _bare(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not ...}


def _neighbour(letter: str) -> str:
    """The letter that decodes to the same bytes at the end of 64 of them: its low four bits are not used."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]
