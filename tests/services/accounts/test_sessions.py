"""Logging in and out, refreshing, devices, passwords, profiles."""

import threading

import pytest

from chat.protocol.errors import (
    BadJson,
    Forbidden,
    InteractiveAuthRequired,
    InvalidParam,
    KeyTooLarge,
    LimitExceeded,
    MissingParam,
    NotFound,
    ProfileTooLarge,
    Unknown,
    UnknownToken,
    WeakPassword,
)
from chat.services.accounts import account, login, passwords, profile, register, tokens
from chat.services.accounts.last_seen import LastSeen
from chat.services.accounts.login import DeviceWish
from chat.services.accounts.register import NewAccount
from chat_testing.servers import a_server

PASSWORD = "correct horse"
ALICE = "@alice:a.example"


@pytest.fixture
def alice(server):
    """Alice's first session, whose access token does not expire."""
    _, session = register.create_account(server, NewAccount("alice", PASSWORD, DeviceWish("PHONE")))
    return session


def log_in(server, **wish):
    return login.login_with_password(server, ALICE, PASSWORD, DeviceWish(**wish))


def caller_of(server, session):
    return tokens.authenticate(server, session.access_token)


class TestLogin:
    def test_the_right_password_opens_a_session_on_a_new_device(self, server, alice):
        session = log_in(server, display_name="Laptop")
        assert session.device_id != alice.device_id
        assert {d.display_name for d in account.list_devices(server, ALICE)} == {None, "Laptop"}

    @pytest.mark.parametrize("user", [ALICE, "@nobody:a.example"])
    def test_a_wrong_password_and_an_unknown_user_are_refused_alike(self, server, alice, user):
        with pytest.raises(Forbidden, match=login.WRONG):
            login.login_with_password(server, user, "wrong", DeviceWish())

    def test_logging_in_on_a_known_device_ends_its_earlier_session(self, server, alice):
        caller_of(server, alice)
        log_in(server, device_id="PHONE")
        with pytest.raises(UnknownToken):
            caller_of(server, alice)

    def test_users_are_found_by_localpart_and_in_capitals(self, server, alice):
        identifier = {"type": "m.id.user", "user": "Alice"}
        user_id = login.identified_user(server, identifier)
        assert login.check_password(server, user_id, PASSWORD).user_id == ALICE

    @pytest.mark.parametrize("user", ["@alice:elsewhere", "@alice", "@:elsewhere"])
    def test_users_of_other_servers_are_refused(self, server, user):
        with pytest.raises(Forbidden):
            login.identified_user(server, {"type": "m.id.user", "user": user})

    @pytest.mark.parametrize("identifier", [{"type": "m.id.phone"}, {}, {"type": "m.id.user"}])
    def test_other_kinds_of_identifier_are_unknown(self, server, identifier):
        with pytest.raises(Unknown):
            login.identified_user(server, identifier)

    def test_too_many_wrong_passwords_shut_even_the_right_one_out(self, store, clock, tmp_path):
        strict = a_server(
            store,
            clock,
            tmp_path,
            rc_login={"failed_attempts": {"per_second": 0.1, "burst_count": 2}},
        )
        register.create_account(strict, NewAccount("alice", PASSWORD, DeviceWish()))
        for _ in range(2):
            with pytest.raises(Forbidden):
                login.check_password(strict, ALICE, "wrong")
        with pytest.raises(LimitExceeded) as refused:
            login.check_password(strict, ALICE, PASSWORD)
        clock.advance(seconds=refused.value.retry_after_ms / 1000)
        assert login.check_password(strict, ALICE, PASSWORD)
        strict.notifier.close()


class TestTokens:
    @pytest.mark.parametrize("token", ["", "cta_x", "\udcff", "x" * 10_000])
    def test_unknown_tokens_are_refused(self, server, token):
        with pytest.raises(UnknownToken) as refused:
            tokens.authenticate(server, token)
        assert not refused.value.soft_logout

    def test_tokens_are_not_stored_as_they_are(self, server, alice):
        stored = server.store.read(lambda tx: tx.rows("SELECT token_hash FROM access_tokens"))
        assert alice.access_token not in {digest for (digest,) in stored}

    def test_logging_out_removes_the_device(self, server, alice):
        tokens.logout(server, caller_of(server, alice))
        with pytest.raises(UnknownToken):
            caller_of(server, alice)
        assert account.list_devices(server, ALICE) == []

    def test_logging_out_everywhere_ends_every_session(self, server, alice):
        laptop = log_in(server)
        tokens.logout_all(server, ALICE)
        for session in (alice, laptop):
            with pytest.raises(UnknownToken):
                caller_of(server, session)

    def test_a_refreshable_token_expires_softly(self, server, clock, alice):
        session = log_in(server, refreshable=True)
        clock.advance(seconds=session.expires_in_ms / 1000)
        with pytest.raises(UnknownToken) as refused:
            caller_of(server, session)
        assert refused.value.soft_logout

    def test_refreshing_gives_a_new_pair_and_the_old_one_lives_until_that_is_used(
        self, server, alice
    ):
        first = log_in(server, refreshable=True)
        tokens.refresh(server, first.refresh_token)  # the answer is lost
        second = tokens.refresh(server, first.refresh_token)
        caller_of(server, first)
        caller_of(server, second)
        with pytest.raises(UnknownToken):
            tokens.refresh(server, first.refresh_token)
        with pytest.raises(UnknownToken):
            caller_of(server, first)

    def test_using_the_new_refresh_token_ends_the_old_one(self, server, alice):
        first = log_in(server, refreshable=True)
        second = tokens.refresh(server, first.refresh_token)
        tokens.refresh(server, second.refresh_token)
        with pytest.raises(UnknownToken):
            tokens.refresh(server, first.refresh_token)

    def test_last_use_is_written_once_a_minute(self, server, clock, alice):
        seen = LastSeen()
        caller = caller_of(server, alice)
        for address in ("127.0.0.1", "127.0.0.2"):
            seen.note(caller, address, clock.now_ms())
            seen.write(server.store)
        clock.advance(seconds=61)
        device = account.get_device(server, ALICE, "PHONE")
        assert (device.last_seen_ts, device.last_seen_ip) == (clock.now_ms() - 61_000, "127.0.0.1")


class TestOwnAccount:
    def confirm(self, server, caller, operation="DELETE /devices/X", body=None, **auth):
        with pytest.raises(InteractiveAuthRequired) as asked:
            account.confirm_password(server, caller, operation, None, body or {})
        auth = {
            "type": "m.login.password",
            "session": asked.value.session,
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": PASSWORD,
            **auth,
        }
        return account.confirm_password(server, caller, operation, auth, body or {})

    def test_deleting_a_device_takes_the_password_and_ends_its_session(self, server, alice):
        laptop = log_in(server, device_id="LAPTOP")
        caller = caller_of(server, alice)
        completed = self.confirm(server, caller)
        account.delete_devices(server, caller, ["LAPTOP", "UNKNOWN"], completed)
        with pytest.raises(UnknownToken):
            caller_of(server, laptop)
        assert [d.device_id for d in account.list_devices(server, ALICE)] == ["PHONE"]

    def test_a_wrong_password_asks_again_and_says_why(self, server, alice):
        with pytest.raises(InteractiveAuthRequired) as asked:
            self.confirm(server, caller_of(server, alice), password="wrong")
        assert asked.value.body()["errcode"] == "M_FORBIDDEN"

    def test_a_session_of_one_operation_is_none_of_another(self, server, alice):
        caller = caller_of(server, alice)
        completed = self.confirm(server, caller)
        auth = {"session": completed.session_id}
        with pytest.raises(Forbidden):
            account.confirm_password(server, caller, "DELETE /devices/Y", auth, {})

    def test_a_completed_session_works_once(self, server, alice):
        caller = caller_of(server, alice)
        completed = self.confirm(server, caller)
        account.delete_devices(server, caller, ["X"], completed)
        with pytest.raises(Forbidden):
            account.delete_devices(server, caller, ["X"], completed)

    @pytest.mark.parametrize("logout_others", [True, False])
    def test_a_new_password_keeps_the_caller_and_ends_others_if_wanted(
        self, server, alice, logout_others
    ):
        laptop = log_in(server)
        caller = caller_of(server, alice)
        completed = self.confirm(server, caller)
        account.change_password(
            server, caller, "new password", completed, logout_others=logout_others
        )
        caller_of(server, alice)
        assert login.check_password(server, ALICE, "new password")
        if logout_others:
            with pytest.raises(UnknownToken):
                caller_of(server, laptop)
        else:
            caller_of(server, laptop)

    def test_an_empty_new_password_is_refused(self, server, alice):
        caller = caller_of(server, alice)
        completed = self.confirm(server, caller)
        with pytest.raises(WeakPassword):
            account.change_password(server, caller, "", completed, logout_others=True)

    def test_devices_are_renamed_and_unknown_ones_not_found(self, server, alice):
        account.rename_device(server, ALICE, "PHONE", "Pocket")
        assert account.get_device(server, ALICE, "PHONE").display_name == "Pocket"
        for name in ("x", None):
            with pytest.raises(NotFound):
                account.rename_device(server, ALICE, "NONE", name)


class TestProfile:
    def test_fields_are_set_read_and_removed(self, server, alice):
        caller = caller_of(server, alice)
        profile.set_field(server, caller, ALICE, "displayname", {"displayname": "Alice"})
        profile.set_field(server, caller, ALICE, "org.example.x", {"org.example.x": [1]})
        assert profile.get(server, None, ALICE) == {"displayname": "Alice", "org.example.x": [1]}
        profile.delete_field(server, caller, ALICE, "org.example.x")
        with pytest.raises(NotFound):
            profile.get_field(server, None, ALICE, "org.example.x")

    @pytest.mark.parametrize(
        ("field", "body", "refusal"),
        [
            ("displayname", {"displayname": 5}, BadJson),
            ("displayname", {}, MissingParam),
            ("displayname", {"displayname": "x" * 257}, InvalidParam),
            ("avatar_url", {"avatar_url": "x" * 1001}, InvalidParam),
            ("Capital", {"Capital": 1}, InvalidParam),
            ("x" * 256, {"x" * 256: 1}, KeyTooLarge),
            ("x", {"x": "y" * 65_536}, ProfileTooLarge),
        ],
    )
    def test_what_has_not_its_form_is_refused(self, server, alice, field, body, refusal):
        with pytest.raises(refusal):
            profile.set_field(server, caller_of(server, alice), ALICE, field, body)

    def test_a_profile_is_its_owners(self, server, alice):
        with pytest.raises(Forbidden):
            profile.set_field(server, caller_of(server, alice), "@bob:a.example", "displayname", {})

    def test_unknown_users_have_none(self, server):
        with pytest.raises(NotFound):
            profile.get(server, None, "@nobody:a.example")


class TestPasswordHashes:
    """bcrypt reads 72 bytes; longer passwords are digested first, none is cut off."""

    @pytest.mark.parametrize("length", [1, 71, 72, 73, 512])
    def test_every_character_counts(self, length):
        password = "x" * length
        hashed = passwords.hash_password(password, "", 4)
        assert passwords.matches(password, "", hashed, 4)
        assert not passwords.matches(password[:-1] + "y", "", hashed, 4)
        assert not passwords.matches(password + "x", "", hashed, 4)

    def test_the_pepper_counts(self):
        hashed = passwords.hash_password("x", "salt", 4)
        assert not passwords.matches("x", "", hashed, 4)

    def test_equal_looking_unicode_is_equal(self):
        assert passwords.matches("\u0041\u030a", "", passwords.hash_password("\u00c5", "", 4), 4)

    def test_no_password_matches_without_a_hash(self):
        assert not passwords.matches("nobody", "", None, 4)


def test_sessions_ended_while_they_were_read_are_not_remembered(sqlite_store, clock, tmp_path):
    """A reader that was overtaken by a logout must not put its caller into the cache."""
    server = a_server(sqlite_store, clock, tmp_path)
    _, session = register.create_account(server, NewAccount("alice", PASSWORD, DeviceWish()))
    read, go_on = threading.Event(), threading.Event()
    genuine = sqlite_store.read

    def slow_read(work, **how):
        found = genuine(work, **how)
        read.set()
        go_on.wait(5)
        return found

    sqlite_store.read = slow_read
    reader = threading.Thread(target=caller_of, args=(server, session))
    reader.start()
    read.wait(5)
    sqlite_store.read = genuine
    tokens.logout_all(server, ALICE)
    go_on.set()
    reader.join()
    with pytest.raises(UnknownToken):
        caller_of(server, session)
    server.notifier.close()
