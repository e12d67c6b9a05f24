"""The user directory."""

from conformance.client import Json, User, World

SEARCH = "/user_directory/search"


def found(searcher: User, term: str, limit: int = 50) -> list[Json]:
    """The users that a search finds."""
    answer = searcher.post(SEARCH, body={"search_term": term, "limit": limit}).ok()
    results: list[Json] = answer["results"]
    return results


def ids(searcher: User, term: str, limit: int = 50) -> list[str]:
    """Their IDs."""
    return [one["user_id"] for one in found(searcher, term, limit)]


def named(world: World, name: str) -> User:
    """A user with a display name, in a public room."""
    user = world.user()
    user.put("/profile/{}/displayname", user.user_id, body={"displayname": name}).ok()
    user.create_room(preset="public_chat")
    return user


def check_found_by_display_name(world: World) -> None:
    """A user in a public room is found by the display name, and shown with name and avatar."""
    word = world.name("quince")
    user = named(world, f"Fine {word}")
    avatar = "mxc://example.org/SEsfnsuifSDFSSEF"
    user.put("/profile/{}/avatar_url", user.user_id, body={"avatar_url": avatar}).ok()
    expected = {"user_id": user.user_id, "display_name": f"Fine {word}", "avatar_url": avatar}
    assert found(world.user(), word) == [expected]


def check_found_by_id(world: World) -> None:
    """A user is found by the localpart, and by the whole ID."""
    user = world.user()
    user.create_room(preset="public_chat")
    searcher = world.user()
    assert ids(searcher, user.localpart) == [user.user_id]
    assert ids(searcher, user.user_id) == [user.user_id]


def check_found_by_beginnings(world: World) -> None:
    """The beginnings of several words find a user, in any order, whatever their case."""
    word = world.name("Medlar").replace("-", "")
    user = named(world, f"{word} Abernathy")
    searcher = world.user()
    for term in (word, word[:-1].upper(), f"aber {word}", f"{word.lower()} ABER"):
        assert user.user_id in ids(searcher, term), term


def check_accents_do_not_matter(world: World) -> None:
    """Accents make no difference, neither in the name nor in the term."""
    word = world.name("zoe").replace("-", "")
    user = named(world, word.replace("e", "ë"))
    searcher = world.user()
    assert ids(searcher, word) == [user.user_id]
    assert ids(searcher, word.replace("o", "ö")) == [user.user_id]


def check_middles_of_words_find_nobody(world: World) -> None:
    """The middle of a word finds nobody, and neither do characters that are no words."""
    word = world.name("sorrel").replace("-", "")
    named(world, word)
    searcher = world.user()
    for term in (word[1:], "%", "_", f"%{word}", "*", f"{word} nobody", "'", '"'):
        matches = ids(searcher, term)
        assert matches == ids(searcher, f" {term} ")
        if term != f"%{word}":
            assert not [one for one in found(searcher, term) if one.get("display_name") == word]


def check_member_of_a_shared_room_is_found(world: World) -> None:
    """A user in no public room is found by those who share a room, and by nobody else."""
    hidden, friend, stranger = world.user("hidden"), world.user("friend"), world.user()
    assert ids(friend, hidden.localpart) == []
    room = hidden.create_room(preset="private_chat")
    hidden.invite(room, friend)
    assert ids(friend, hidden.localpart) == [], "an invite shares nothing yet"
    friend.join(room)
    assert ids(friend, hidden.localpart) == [hidden.user_id]
    assert ids(stranger, hidden.localpart) == []


def check_who_left_is_not_found(world: World) -> None:
    """Whoever shared a room and left it no longer finds its members, nor is found."""
    one, other = world.user("one"), world.user("other")
    room = one.create_room(preset="private_chat")
    one.invite(room, other)
    other.join(room)
    other.leave(room)
    assert ids(other, one.localpart) == []
    assert ids(one, other.localpart) == []


def check_who_is_banned_is_not_found(world: World) -> None:
    """A user who was banned no longer finds the members of the room."""
    one, other = world.user("one"), world.user("other")
    room = one.create_room(preset="private_chat")
    one.invite(room, other)
    other.join(room)
    one.ban(room, other)
    assert ids(other, one.localpart) == []


def check_readable_room_shows_its_members(world: World) -> None:
    """Members of a room whose history anybody may read are found."""
    writer = world.user("writer")
    visible = {"history_visibility": "world_readable"}
    state = [{"type": "m.room.history_visibility", "state_key": "", "content": visible}]
    writer.create_room(preset="private_chat", initial_state=state)
    assert ids(world.user(), writer.localpart) == [writer.user_id]


def check_new_name_is_found(world: World) -> None:
    """After a change of the display name the new one is found, and the old one is not."""
    before, after = world.name("before"), world.name("after")
    user = named(world, before)
    user.put("/profile/{}/displayname", user.user_id, body={"displayname": after}).ok()
    searcher = world.user()
    assert (ids(searcher, before), ids(searcher, after)) == ([], [user.user_id])


def check_name_in_one_room_is_not_searched(world: World) -> None:
    """A name that a user has in one room only does not show in the directory."""
    user = world.user()
    room = user.create_room(preset="public_chat")
    secret = world.name("secret")
    content = {"membership": "join", "displayname": secret}
    user.set_state(room, "m.room.member", content, user.user_id)
    assert ids(world.user(), secret) == []
    assert secret not in str(found(world.user(), user.localpart))


def check_limit_of_the_directory(world: World) -> None:
    """No more users than the limit are listed, and it is said when there are more."""
    word = world.name("rowan").replace("-", "")
    for _ in range(3):
        named(world, word)
    searcher = world.user()
    answer = searcher.post(SEARCH, body={"search_term": word, "limit": 2}).ok()
    assert (len(answer["results"]), answer["limited"]) == (2, True)
    answer = searcher.post(SEARCH, body={"search_term": word, "limit": 3}).ok()
    assert (len(answer["results"]), answer["limited"]) == (3, False)


def check_directory_needs_a_term(world: World) -> None:
    """A search of the directory has a term, and its limit is a number that is not negative."""
    user = world.user()
    user.post(SEARCH, body={"limit": 5}).refused(400, "M_MISSING_PARAM")
    for body in ({"search_term": 7}, {"search_term": "a", "limit": "5"}):
        user.post(SEARCH, body=body).refused(400, "M_BAD_JSON")
    answer = user.post(SEARCH, body={"search_term": "a", "limit": -1})
    answer.refused(400, "M_BAD_JSON", "M_INVALID_PARAM")
    user.post(SEARCH, body=b"{").refused(400, "M_NOT_JSON")


def check_stranger_searches_no_users(world: World) -> None:
    """Without a token nobody searches the directory."""
    answer = world.stranger.post(SEARCH, body={"search_term": "a"})
    answer.refused(401, "M_MISSING_TOKEN")
