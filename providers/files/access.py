"""Who may see and remove a file, by the rules of the run config's ``server.auth.access_policy``."""

from dataclasses import dataclass

from llama_stack.core.access_control import conditions
from llama_stack.core.access_control.access_control import (
    AccessDeniedError,
    default_policy,
    is_action_allowed,
)
from llama_stack.core.access_control.datatypes import AccessRule, Action
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import get_authenticated_user

from providers.files.records import FileRecord, Owner


@dataclass
class _Resource:
    """A file as the rules name it: ``sql_record::<table>::<id>``, as for llama-stack's own providers."""

    type: str
    identifier: str
    owner: conditions.User


class AccessControl:
    """The rules, applied for the user of the current request."""

    def __init__(self, policy: list[AccessRule], table_name: str) -> None:
        self._policy = policy
        self._is_default = not policy or policy == default_policy()
        self._resource_type = f"sql_record::{table_name}"

    def owner(self) -> Owner:
        """Return who a new file belongs to."""
        user = get_authenticated_user()
        return Owner(user.principal, user.attributes) if user else Owner()

    def only_public(self) -> bool:
        """Whether the user is nobody in particular, who sees nobody's files only."""
        return get_authenticated_user() is None

    def may_read(self, file: FileRecord) -> bool:
        """Whether the user sees the file."""
        user = get_authenticated_user()
        if user is None:
            return file.owner.is_nobody()
        if self._is_default and file.owner.principal and not file.owner.attributes:
            # The default rules compare attributes, so without any the file would be everybody's.
            return bool(file.owner.principal == user.principal)
        return self._allows(Action.READ, file, user)

    def require_delete(self, file: FileRecord) -> None:
        """Raise ``AccessDeniedError`` unless the user, who sees the file, may remove it."""
        user = get_authenticated_user()
        if not self._is_default and not self._allows(Action.DELETE, file, user):
            raise AccessDeniedError(Action.DELETE.value, self._resource(file), user)

    def _allows(self, action: Action, file: FileRecord, user: User | None) -> bool:
        return bool(is_action_allowed(self._policy, action, self._resource(file), user))

    def _resource(self, file: FileRecord) -> _Resource:
        owner = User(principal=file.owner.principal, attributes=file.owner.attributes)
        return _Resource(self._resource_type, file.id, owner)
