"""``starling token``: keys and tokens for a service of your own, a look into tokens, rotation of cluster keys."""

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.settings import AsJson

if TYPE_CHECKING:
    from session import ClusterKeys, RotationStage

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

LONGEST_USER_TOKEN_S = 86_460
"""A day, which is how long the cluster's own user tokens live, and the leeway of clocks."""

LONGEST_LIFETIME_S = 3_660 * 86_400
"""Ten years; a longer one is a slip, and might be past what clocks can say."""

UNSIGNED = "none of these keys signed it: do not believe what it says"

FETCH_DEADLINE_S = 5.0
MAX_JWKS_BYTES = 65_536

token = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Keys and tokens for a service of your own: `keygen`, then `create`. `inspect` reads a token, `rotate` "
    "changes the cluster's keys.",
)


class Step(StrEnum):
    """Of a rotation."""

    ADD = "add"
    SWITCH = "switch"
    DROP = "drop"


@token.command(short_help="Make a key for your own service.")
def keygen(
    file: Annotated[Path, typer.Argument(help="Where to write the private key; never overwritten.")],
    issuer: Annotated[str, typer.Option(help="A name of its own that its tokens may give as issuer.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key for your own service, with which it says who its users are.

    FILE gets the private key, for your service alone. Printed is the public one, as a JWK set: save it as a
    file on every node and name that in tokens.api_keys_file, or add the entry to the keys that are there. Nodes read it
    at start and on SIGHUP.
    """
    from node.cli.asking import print_json
    from node.errors import NodeStartError
    from session import ClusterKeys

    if file.is_dir():
        raise NodeStartError(
            "folder_unusable", f"{file} is a folder: name the file to write, such as {file / 'service.key'}"
        )
    if file.exists():
        raise NodeStartError("file_exists", f"{file} is there already: remove it, or choose another name")
    keys = ClusterKeys.generate(of_service=True)
    try:
        keys.save(file)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise NodeStartError("folder_unusable", f"cannot write {file}: {reason}; choose another place") from None
    public = {"keys": [{**entry, **({"issuer": issuer} if issuer else {})} for entry in keys.jwks()["keys"]]}
    print_json(public)
    if not as_json:
        sys.stderr.write(
            f"Wrote the private key to {file}; only your service may read it. Above is the public one: save it on "
            "every node, set tokens.api_keys_file to it, and restart the node or send it SIGHUP.\n"
        )


@token.command(short_help="Sign a user token, as your service would.")
def create(
    key: Annotated[Path, typer.Option(help="Your service's private key, from `starling token keygen`.")],
    user: Annotated[str, typer.Option(help="A stable id of the user, as your service knows them.")],
    name: Annotated[str, typer.Option(help="How others see them; else the id.")] = "",
    join: Annotated[bool, typer.Option(help="May make and join rooms.")] = True,
    publish: Annotated[bool, typer.Option(help="May send sound and pictures.")] = True,
    subscribe: Annotated[bool, typer.Option(help="May receive sound, pictures and data.")] = True,
    publish_data: Annotated[bool, typer.Option(help="May send data messages and chat.")] = True,
    admin: Annotated[bool, typer.Option("--admin", help="May moderate the rooms, as their owner may.")] = False,
    rooms: Annotated[str, typer.Option(help="Which rooms: a name in which * stands for any characters.")] = "*",
    lifetime: Annotated[str, typer.Option(help="How long it is good for: 90s, 30m, 12h, 7d.")] = "1h",
    not_before: Annotated[str, typer.Option(help="From when: a time such as 2027-01-31T08:00:00Z. Default: now.")] = "",
    cluster: Annotated[
        str, typer.Option(help="The cluster's name (node.cluster), or the key's own issuer.")
    ] = "starling",
    as_json: AsJson = False,
) -> None:
    """Sign a user token, as your service would: to try things out, or from a script.

    Prints it and nothing else, so that it can go into a variable; redeem it with POST /v1/sessions {"token": ...}.
    Whoever has it is that user until it runs out, so treat it as a password.
    """
    from node.cli.asking import print_json
    from node.errors import NodeStartError
    from session import Grants
    from session.user_tokens import peek, sign_user_token

    grants = Grants(
        join=join, publish=publish, subscribe=subscribe, publish_data=publish_data, admin=admin, rooms=rooms
    )
    if not user:
        raise typer.BadParameter("a user id has 1 to 128 printable characters", param_hint="--user")
    lifetime_s = _seconds(lifetime)
    if not 1 <= lifetime_s <= LONGEST_LIFETIME_S:
        raise typer.BadParameter(f"{lifetime!r} is not between 1s and 3660d", param_hint="--lifetime")
    start = _moment(not_before)
    signing = _load(key, made_by="starling token keygen")
    try:
        text = sign_user_token(
            signing, issuer=cluster, user=user, now=time.time(), lifetime_s=lifetime_s, name=name, grants=grants,
            not_before=start,
        )  # fmt: skip
    except ValueError as error:
        raise NodeStartError("token_unfit", f"{error}; see `starling token create --help`") from None
    if as_json:
        print_json({"token": text, "claims": peek(text)[1]})
    else:
        sys.stdout.write(text + "\n")


@token.command()
def inspect(
    text: Annotated[str, typer.Argument(metavar="TOKEN", help="The token, or - to read it from stdin.")],
    jwks: Annotated[
        str, typer.Option(help="Keys to check it with: a file, or a URL (.../.well-known/jwks.json).")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a token says. Without --jwks nothing of it is checked: anybody can write such a token.

    Prefer `-` and a pipe: arguments are seen by other users of the machine. Exit code 1: it is no token, or none of the
    given keys signed it.
    """
    from node.cli.asking import print_json
    from node.cli.refusing import refused
    from node.errors import NodeStartError
    from session.user_tokens import peek, who_signed

    given = sys.stdin.readline().strip() if text == "-" else text
    try:
        header, claims = peek(given)
        signer = who_signed(given, _read_jwks(jwks)) if jwks else None
    except ValueError as error:
        raise NodeStartError("token_unreadable", f"cannot read it: {error}") from None
    answer = {
        "header": header,
        "claims": claims,
        "checked": bool(jwks),
        "signed_by": signer,
        "expired": _is_over(claims),
    }
    if as_json and jwks and signer is None:
        # One document, with what the token says beside why not to believe it.
        print_json({**answer, "error": refused("token_unsigned", UNSIGNED)})
        raise typer.Exit(1)
    print_json(answer)
    if as_json:
        pass
    elif not jwks:
        sys.stderr.write(
            "Nothing of this is checked: give --jwks URL-or-file to see whether a key of it signed this.\n"
        )
    elif signer is not None:
        sys.stderr.write(
            f"The signature holds, by key {signer}. Issuer, audience and times are for the node to judge.\n"
        )
    if jwks and signer is None:
        raise NodeStartError("token_unsigned", UNSIGNED)


@token.command(short_help="Change the cluster's signing key, in three steps.")
def rotate(
    file: Annotated[Path, typer.Argument(help="The cluster's keys (tokens.cluster_keys_file).")],
    step: Annotated[Step, typer.Argument(help="What is next.")],
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also out of order: `switch` back to the old key, `drop` the new one before it signs."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change the cluster's signing key without ending a session, in three steps.

    After each step copy the file to every node and restart the nodes one by one. `add`: a new key is known and does not
    sign yet. `switch`: it signs, the old one is still believed. `drop`: the old one is believed no more; wait before it
    until its last tokens have run out. A node that does not know a key refuses its tokens, hence the order. The file
    says how far it is, and a step out of order is refused.
    """
    from node.cli.asking import print_json
    from node.errors import NodeStartError

    keys = _load(file)
    if keys.of_service:
        raise NodeStartError(
            "rotation_unfit",
            f"{file} is a service's own key, and `rotate` is for the cluster's (tokens.cluster_keys_file): make a new "
            "one with `starling token keygen`, and list both public keys in tokens.api_keys_file for a while",
        )
    try:
        if step is Step.ADD:
            changed = keys.with_next()
        elif step is Step.SWITCH:
            changed = keys.switched(force=force)
        else:
            changed = keys.without_second(force=force)
    except ValueError:
        following = {"settled": "add", "added": "switch", "switched": "drop"}.get(keys.stage)
        raise NodeStartError(
            "rotation_unfit",
            _why_out_of_order(file, step, keys.stage),
            next_step="" if following is None else f"starling token rotate {file} {following}",
        ) from None
    try:
        changed.save(file)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise NodeStartError("folder_unusable", f"cannot write {file}: {reason}; the keys are as they were") from None
    following = {Step.ADD: "switch", Step.SWITCH: "drop", Step.DROP: None}[step]
    wait_s = LONGEST_USER_TOKEN_S if step is Step.SWITCH else 0
    if as_json:
        print_json({"keys": list(changed.verifying), "next": following, "wait_s": wait_s})
        return
    sys.stdout.write(f"{file} has these keys now, the first signs: {', '.join(changed.verifying)}\n")
    sys.stdout.write("Copy it to every node and restart them one by one.\n")
    if wait_s:
        sys.stdout.write(
            "Then wait 24 hours and one minute after the last restart, or longer if tokens.session_lifetime_s is more: "
            "until then tokens of the old key are about.\n"
        )
    if following is not None:
        sys.stdout.write(f"Then: starling token rotate {file} {following}\n")


def _why_out_of_order(file: Path, step: Step, stage: "RotationStage") -> str:
    from session import RotationStage

    match stage, step:
        case RotationStage.SETTLED, _:
            return f"{file} has one key: run `starling token rotate {file} add` first"
        case RotationStage.ADDED, Step.DROP:
            return (
                f"{file} has a new key that does not sign yet, and dropping would lose it: run "
                f"`starling token rotate {file} switch` first, or add --force to give the new key up"
            )
        case RotationStage.ADDED, _:
            return f"{file} has a new key already: the next step is `starling token rotate {file} switch`"
        case RotationStage.SWITCHED, Step.SWITCH:
            return (
                f"the new key of {file} signs already, and switching again would bring the old one back: the next step "
                f"is `starling token rotate {file} drop`, once the old key's tokens have run out; or add --force to go "
                "back to the old key"
            )
        case RotationStage.SWITCHED, _:
            return (
                f"{file} has two keys, the second is the old one: run `starling token rotate {file} drop` first, once "
                "the old key's tokens have run out"
            )
        case _:
            return (
                f"{file} has two keys and does not say whether the second is the next or the old one: if it is the "
                f"next, run `starling token rotate {file} switch --force`; if it is the old one, `... drop --force`"
            )


def _load(file: Path, *, made_by: str = "starling keygen") -> "ClusterKeys":
    from node.errors import EXIT_CONFIG, NodeStartError
    from session import ClusterKeys, SessionSetupError

    try:
        return ClusterKeys.load(file)
    except SessionSetupError as error:
        # The file may be a service's key as well as the cluster's.
        message = error.message.replace("the cluster key file", "the key file").replace(
            "`starling keygen`", f"`{made_by}`"
        )
        raise NodeStartError(error.code, message, exit_code=EXIT_CONFIG) from None


def _seconds(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isascii() or not number.isdigit():
        raise typer.BadParameter(f"{text!r} is no length of time: write 90s, 30m, 12h or 7d")
    return int(number) * UNITS[unit]


def _moment(text: str) -> float | None:
    from datetime import datetime

    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is no moment: write 2027-01-31T08:00:00Z, with Z or an offset")
    return moment.timestamp()


def _read_jwks(where: str) -> bytes:
    import httpx

    from node.errors import NodeStartError

    if where.startswith(("http://", "https://")):
        try:
            response = httpx.get(where, timeout=FETCH_DEADLINE_S)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise NodeStartError(
                "keys_unreachable", f"no keys came from {where}: {error}; is this the address of a node?"
            ) from None
        return response.content[:MAX_JWKS_BYTES]
    try:
        with Path(where).open("rb") as file:
            return file.read(MAX_JWKS_BYTES)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise NodeStartError("keys_missing", f"{where} cannot be read: {reason}; name a JWK set") from None


def _is_over(claims: dict[str, Any]) -> bool | None:
    expires = claims.get("exp")
    return time.time() >= expires if isinstance(expires, int | float) else None
