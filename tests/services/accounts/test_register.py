"""Registration: by anybody, by guests, by holders of the shared secret."""

import threading
from dataclasses import replace

import pytest

from chat.protocol.errors import (
    ChatError,
    Forbidden,
    InteractiveAuthRequired,
    InvalidParam,
    InvalidUsername,
    Unknown,
    UserInUse,
    WeakPassword,
)
from chat.services.accounts import register, tokens
from chat.services.accounts.login import DeviceWish
from chat.services.accounts.register import NewAccount
from chat.storage import users
from chat_testing.servers import a_server

ALICE = NewAccount("alice", "correct horse", DeviceWish())


def session_of(server, wish, body):
    with pytest.raises(InteractiveAuthRequired) as asked:
        register.register(server, wish, None, body)
    return asked.value.session


def sign_up(server, wish=ALICE, body=None):
    body = {"username": wish.username} if body is None else body
    session = session_of(server, wish, body)
    auth = {"type": "m.login.dummy", "session": session}
    return register.register(server, wish, auth, body)


def test_registering_takes_the_dummy_stage_and_logs_in(server):
    user_id, login = sign_up(server)
    assert user_id == "@alice:a.example"
    caller = tokens.authenticate(server, login.access_token)
    assert (caller.user_id, caller.device_id) == (user_id, login.device_id)


def test_capitals_are_lowered_and_collide(server):
    sign_up(server)
    with pytest.raises(UserInUse):
        register.check_available(server, "ALICE")


@pytest.mark.parametrize("name", ["", "al ice", "älice", "@alice:a.example", "a" * 250, "a\0"])
def test_names_outside_the_grammar_are_refused(server, name):
    with pytest.raises(InvalidUsername):
        register.check_available(server, name)


def test_a_session_serves_one_registration(server):
    body = {"username": "alice"}
    auth = {"type": "m.login.dummy", "session": session_of(server, ALICE, body)}
    register.register(server, ALICE, auth, body)
    bob = replace(ALICE, username="bob")
    with pytest.raises(InteractiveAuthRequired):
        register.register(server, bob, auth, {"username": "bob"})


def test_a_session_is_bound_to_its_body(server):
    auth = {"type": "m.login.dummy", "session": session_of(server, ALICE, {"username": "alice"})}
    bob = replace(ALICE, username="bob")
    with pytest.raises(Forbidden, match="changed"):
        register.register(server, bob, auth, {"username": "bob"})


def test_a_session_expires(server, clock):
    body = {"username": "alice"}
    auth = {"type": "m.login.dummy", "session": session_of(server, ALICE, body)}
    clock.advance(seconds=server.config.ui_auth_session_timeout_ms / 1000 + 1)
    with pytest.raises(InteractiveAuthRequired) as asked:
        register.register(server, ALICE, auth, body)
    assert asked.value.session != auth["session"]


def test_one_of_two_who_race_for_a_name_wins(server):
    outcomes = []

    def attempt(name):
        try:
            outcomes.append(register.create_account(server, replace(ALICE, username=name))[0])
        except ChatError as refusal:
            outcomes.append(type(refusal))

    racers = [threading.Thread(target=attempt, args=(name,)) for name in ("carol", "CAROL")]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(outcomes, key=str) == sorted(["@carol:a.example", UserInUse], key=str)


def test_registration_can_be_switched_off(store, clock, tmp_path):
    closed = a_server(
        store,
        clock,
        tmp_path,
        enable_registration=False,
        enable_registration_without_verification=False,
    )
    with pytest.raises(Forbidden):
        register.register(closed, ALICE, None, {})
    closed.notifier.close()


def test_an_empty_password_is_too_weak(server):
    with pytest.raises(WeakPassword):
        register.register(server, replace(ALICE, password=""), None, {})


@pytest.mark.parametrize(
    ("policy", "password"),
    [
        ({"minimum_length": 9}, "12345678"),
        ({"require_digit": True}, "abc"),
        ({"require_symbol": True}, "abc1"),
        ({"require_lowercase": True}, "ABC"),
        ({"require_uppercase": True}, "abc"),
    ],
)
def test_the_password_policy_is_enforced(store, clock, tmp_path, policy, password):
    strict = a_server(
        store, clock, tmp_path, password_config={"policy": {"enabled": True, **policy}}
    )
    with pytest.raises(WeakPassword):
        register.check_password_policy(strict, password)
    register.check_password_policy(strict, "Abc1$5678")
    strict.notifier.close()


def test_inhibited_login_opens_no_session(server):
    _, login = sign_up(server, replace(ALICE, login=None))
    assert login is None


def test_guests_are_refused_unless_they_are_let_in(server):
    with pytest.raises(Forbidden):
        register.register_guest(server, None)


def test_a_guest_is_known_as_one(store, clock, tmp_path):
    open_to_guests = a_server(store, clock, tmp_path, allow_guest_access=True)
    _, login = register.register_guest(open_to_guests, "browser")
    assert tokens.authenticate(open_to_guests, login.access_token).is_guest
    open_to_guests.notifier.close()


class TestSharedSecret:
    """Registration by whoever knows the shared secret."""

    admin = NewAccount("root", "toor", DeviceWish(), is_admin=True)

    def mac(self, nonce, wish):
        return register.registration_mac("shared secret", nonce, wish)

    def test_the_mac_is_hmac_sha1_over_the_parts_with_nul_between(self):
        """The worked value was computed by `openssl dgst -sha1 -hmac`."""
        wish = NewAccount("pepper_roni", "pizza", None, is_admin=True)
        assert (
            register.registration_mac("shared", "thisisanonce", wish)
            == "4baca023abe6314415efbd20fe2e85ce78c5a2e8"
        )

    def test_it_makes_administrators(self, server):
        nonce = register.new_nonce(server)
        user_id, login = register.register_by_secret(
            server, self.admin, nonce, self.mac(nonce, self.admin)
        )
        assert tokens.authenticate(server, login.access_token).is_admin
        assert server.store.read(lambda tx: users.find(tx, user_id)).is_admin

    def test_a_nonce_works_once(self, server):
        nonce = register.new_nonce(server)
        register.register_by_secret(server, self.admin, nonce, self.mac(nonce, self.admin))
        other = replace(self.admin, username="root2")
        with pytest.raises(Unknown):
            register.register_by_secret(server, other, nonce, self.mac(nonce, other))

    def test_a_nonce_expires(self, server, clock):
        nonce = register.new_nonce(server)
        clock.advance(seconds=61)
        with pytest.raises(Unknown):
            register.register_by_secret(server, self.admin, nonce, self.mac(nonce, self.admin))

    def test_a_wrong_mac_is_refused_and_makes_nobody(self, server):
        nonce = register.new_nonce(server)
        with pytest.raises(Forbidden):
            register.register_by_secret(server, self.admin, nonce, "0" * 40)
        assert server.store.read(users.count) == 0

    @pytest.mark.parametrize("field", [{"password": "a\0b"}, {"username": "a\0b"}])
    def test_nul_in_a_part_is_refused(self, server, field):
        wish = replace(self.admin, **field)
        nonce = register.new_nonce(server)
        with pytest.raises(InvalidParam):
            register.register_by_secret(server, wish, nonce, self.mac(nonce, wish))
