"""Records of users - files, prompts, rows - as the user of the current request may see and handle them."""

from collections.abc import Sequence
from dataclasses import dataclass

from llama_stack.core.access_control import conditions
from llama_stack.core.access_control.access_control import AccessDeniedError
from llama_stack.core.access_control.datatypes import AccessRule, Action
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import get_authenticated_user

from providers.access.rules import is_allowed, shows_only_own


@dataclass
class Owner:
    """Who made a record; without authentication that is nobody."""

    principal: str = ""
    attributes: dict[str, list[str]] | None = None


@dataclass
class Record:
    """A record as the rules name it."""

    type: str
    identifier: str
    owner: conditions.User


class Access:
    """The rules for the records of one type, applied for the user of the current request.

    Who is nobody in particular, as where authentication is off, has the records that nobody owns, and no others.
    """

    def __init__(self, policy: Sequence[AccessRule], record_type: str) -> None:
        self._policy = policy
        self._type = record_type

    def owner(self) -> Owner:
        """Return who a new record belongs to."""
        user = _user()
        return Owner(user.principal, user.attributes) if user else Owner()

    def only_of(self) -> str | None:
        """Return whose records are all that the user sees, "" for nobody's; None if only `may` can tell."""
        user = _user()
        if user is None:
            return ""
        return user.principal if shows_only_own(self._policy) else None

    def may(self, action: str, identifier: str, owner: Owner) -> bool:
        """Whether the user may do it to a record."""
        user = _user()
        if user is None:
            return not owner.principal
        return is_allowed(self._policy, action, Record(self._type, identifier, owner), user)

    def require(self, action: str, identifier: str, owner: Owner) -> None:
        """Raise AccessDeniedError unless the user, who sees the record, may do it."""
        if not self.may(action, identifier, owner):
            raise AccessDeniedError(action, Record(self._type, identifier, owner), _user())

    def require_create(self, identifier: str = "new") -> Owner:
        """Return who a new record belongs to; raises AccessDeniedError if the user may not make any."""
        owner = self.owner()
        self.require(Action.CREATE, identifier, owner)
        return owner


def _user() -> User | None:
    user: User | None = get_authenticated_user()
    return user
