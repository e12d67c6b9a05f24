"""What users do with their own account: devices, password, deactivation."""

from typing import Any

from chat.protocol.errors import Forbidden, InvalidParam, NotFound
from chat.services.accounts import interactive, login, passwords, tokens
from chat.services.accounts.interactive import Completed, Guarded
from chat.services.accounts.register import check_password_policy
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import devices, users
from chat.storage.devices import Device
from chat.storage.engine import Transaction


def confirm_password(
    server: Server,
    caller: Caller,
    operation: str,
    auth: dict[str, Any] | None,
    body: dict[str, Any],
) -> Completed:
    """Ask for the caller's password before `operation`. Raises InteractiveAuthRequired."""

    def check(submitted: dict[str, Any]) -> bool:
        password = submitted.get("password")
        if not isinstance(password, str):
            raise InvalidParam("password is missing or no string")
        identifier = submitted.get("identifier") or {
            "type": "m.id.user",
            "user": submitted.get("user", caller.user_id),
        }
        if not isinstance(identifier, dict):
            raise InvalidParam("identifier must be an object")
        if login.identified_user(server, identifier) != caller.user_id:
            raise Forbidden(login.WRONG)
        login.check_password(server, caller.user_id, password)
        return True

    guarded = Guarded(operation, caller.user_id, body)
    return interactive.complete(
        server, guarded, auth, [[interactive.PASSWORD]], {interactive.PASSWORD: check}
    )


def list_devices(server: Server, user_id: str) -> list[Device]:
    """The user's devices."""
    return server.store.read(lambda tx: devices.of_user(tx, user_id))


def get_device(server: Server, user_id: str, device_id: str) -> Device:
    """One device. Raises NotFound."""
    device = server.store.read(lambda tx: devices.find(tx, user_id, device_id))
    if device is None:
        raise NotFound("You have no such device")
    return device


def rename_device(server: Server, user_id: str, device_id: str, name: str | None) -> None:
    """Give a device another name; None leaves it. Raises NotFound."""
    if name is None:
        get_device(server, user_id, device_id)
    elif not server.store.write(lambda tx: devices.rename(tx, user_id, device_id, name)):
        raise NotFound("You have no such device")


def delete_devices(
    server: Server, caller: Caller, device_ids: list[str], completed: Completed
) -> None:
    """Remove devices and end their sessions; unknown ones are ignored."""

    def work(tx: Transaction) -> None:
        interactive.finish(tx, completed)
        devices.delete(tx, caller.user_id, device_ids)

    server.store.write(work)


def change_password(
    server: Server, caller: Caller, password: str, completed: Completed, *, logout_others: bool
) -> None:
    """Set a new password; the caller's own session stays. Raises WeakPassword.

    Spec: client-server-api/#post_matrixclientv3accountpassword
    """
    check_password_policy(server, password)
    config = server.config
    password_hash = passwords.hash_in_pool(
        password, config.password_config.pepper, config.bcrypt_rounds
    )

    def work(tx: Transaction) -> None:
        interactive.finish(tx, completed)
        users.set_password_hash(tx, caller.user_id, password_hash)
        if logout_others:
            tokens.end_sessions(server, tx, caller.user_id, keep=caller.device_id)

    server.store.write(work)
