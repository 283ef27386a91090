"""``starling account``: accounts of people, through the local node."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.asking import order_local, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir

if TYPE_CHECKING:
    from node.account_orders import AccountLine


MAX_PASSWORD_BYTES = 1026
"""The 256 characters of the longest password in UTF-8, and what ends the line."""


class Action(StrEnum):
    """What to do."""

    CREATE = "create"
    LIST = "list"
    PASSWORD = "password"
    LOGOUT = "logout"


def account(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    login: Annotated[str, typer.Argument(help="Whose account; for `list`, begin behind this one.")] = "",
    name: Annotated[str, typer.Option(help="What others are to call them; else the login.")] = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create or list accounts, set another password, or log somebody out everywhere.

    For `create` and `password` the password is asked for, or read as one line from a pipe: never an argument,
    which other users of the machine could see. `password` and `logout` end the user's sessions, on other nodes
    within a minute. People log in with them while accounts.enabled is set. Exit code 3: no node runs here.
    """
    from node.account_orders import AccountOrder
    from node.errors import NodeStartError

    if action is not Action.LIST and not login:
        raise typer.BadParameter(f"say whose account: starling account {action} LOGIN", param_hint="login")
    password = _read_password() if action in (Action.CREATE, Action.PASSWORD) else ""
    order = AccountOrder(action=action.value, login=login, password=password, name=name)
    answer = order_local(config, data_dir, order)
    if answer.code:
        raise NodeStartError(answer.code, answer.message)
    lines = answer.accounts
    if action is Action.LIST:
        page = answer.accounts
        while page:
            page = order_local(config, data_dir, AccountOrder(action="list", login=page[-1].login)).accounts
            lines += page
    if as_json:
        print_json({"accounts": lines} if action in (Action.CREATE, Action.LIST) else answer)
    elif action in (Action.CREATE, Action.LIST):
        print_table(("login", "user", "name", "made"), [_row(line) for line in lines])
    else:
        sys.stdout.write(f"Done; {answer.sessions_ended} sessions ended on this node.\n")


def _read_password() -> str:
    from node.errors import NodeStartError

    if not sys.stdin.isatty():
        # As bytes, and no more than a password may have: a pipe may hold anything.
        line = sys.stdin.buffer.readline(MAX_PASSWORD_BYTES + 1)
        if len(line) > MAX_PASSWORD_BYTES:
            raise NodeStartError(
                "password_unfit",
                "what is on stdin is too long for a password: send one of at most 256 characters",
            )
        try:
            password = line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise NodeStartError(
                "password_unfit", "the password on stdin is not text in UTF-8: send it in UTF-8"
            ) from None
        if not password:
            raise NodeStartError("password_unfit", "stdin has no password: send it as one line, or use a terminal")
        return password
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _row(line: "AccountLine") -> tuple[str, ...]:
    made = datetime.fromtimestamp(line.created_at_ms / 1000, UTC)
    return line.login, line.user, line.name, f"{made:%Y-%m-%d %H:%M} UTC"
