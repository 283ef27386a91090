"""Built-in accounts, for a mesh whose operator has no service of their own that signs for users.

Register, log in, change the password, log out everywhere; one of three sources of user tokens, and may be off.

- service.py is all of it for the rest of a node; it speaks to the durable repository alone.
- record.py is what is kept of an account, one document under its login; fields of a newer version survive ours.
- passwords.py hashes with argon2id in threads of its own; logins.py says which names and passwords are taken.

A log-in ends in an :class:`Account` with its *generation*. The node puts both into a user token; a change of
password and a log-out everywhere raise the generation, and older tokens are worth nothing from then on. Tokens
and sessions themselves are not this package's affair.

Who asks for a user that is not there learns it neither from the answer nor from its time: a password is always
hashed. Only registering says whether a login is taken, at the pace of one address.
"""

from accounts.passwords import Passwords
from accounts.record import Account
from accounts.service import Accounts, AccountSettings, AccountStatistics

__all__ = ["Account", "AccountSettings", "AccountStatistics", "Accounts", "Passwords"]
