"""The state resolution cases, written by hand: rooms, forks, and what they resolve to.

Every case names the winners among the entries in which the forks differ (all other entries are
the common ones). `v1`, `v2`, `v21` stand for the algorithms of room versions 1, 2–11 and 12;
`None` leaves an algorithm out. Sources: rooms/v1.md, fragments/v2-state-res.md, rooms/v12.md,
the worked examples of MSC1442 and the published state resets of MSC4297.
"""

from typing import Any

from timeline import Branch, Names, Room

ALICE = "@alice:example.org"  # creator, level 100
BOB = "@bob:example.org"  # level 50
CAROL = "@carol:example.org"
DAVE = "@dave:example.org"
EVE = "@eve:other.net"
GREG = "@greg:example.org"  # level 50
HEIDI = "@heidi:example.org"  # level 100
ZARA = "@zara:other.net"
LEVELS = {ALICE: 100, BOB: 50, GREG: 50, HEIDI: 100}

CASES: list[dict[str, Any]] = []


def case(
    name: str,
    about: str,
    forks: list[Branch | Names],
    *,
    v1: str | None,
    v2: str | None,
    v21: str | None,
    first: int = 2,
    room: Room | None = None,
) -> None:
    """Adds a case; `first` is the first room version of algorithm 2 that it fits."""
    states = [fork.state if isinstance(fork, Branch) else fork for fork in forks]
    rooms = [fork.room for fork in forks if isinstance(fork, Branch)]
    events = (room or rooms[0]).events
    resolved: dict[str, list[str]] = {}
    if v1 is not None:
        resolved["1"] = v1.split()
    if v2 is not None:
        resolved.update({str(version): v2.split() for version in range(first, 12)})
    if v21 is not None:
        resolved["12"] = v21.split()
    CASES.append(
        {
            "name": name,
            "about": about,
            "events": list(events.values()),
            "forks": [sorted(state.values()) for state in states],
            "resolved": resolved,
        }
    )


def common(*, rule: str = "public", topic: bool = False) -> Branch:
    """Alice's room with Bob, Greg (50), Heidi (100) and Carol (0) in it."""
    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    main.power("power1", ALICE, LEVELS)
    main.rules("rules1", ALICE, "public")
    for user in (BOB, GREG, HEIDI, CAROL):
        main.join(user)
    if rule != "public":
        main.rules("rules2", ALICE, rule)
    if topic:
        main.topic("topic1", ALICE)
    return main


def pair(**options: Any) -> tuple[Branch, Branch]:
    """The common room, forked."""
    main = common(**options)
    return main, main.fork()


def replaced(branch: Branch, *names: str) -> Names:
    """The branch's state with older events put back: what a faulty server might answer."""
    return {**branch.state, **branch.room.state_of(list(names))}


def lacking(branch: Branch, *names: str) -> Names:
    """The branch's state without these events."""
    return {key: name for key, name in branch.state.items() if name not in names}


# ---------------------------------------------------------------- plain conflicts


def plain_cases() -> None:
    main, other = pair(topic=True)
    case("equal states", "Nothing differs, nothing changes.", [main, other], v1="", v2="", v21="")
    case("one state", "A single state is its own resolution.", [main], v1="", v2="", v21="")

    one, two = pair()
    one.topic("topicA", ALICE)
    case(
        "an entry on one side only",
        "It passes the rules, so it stays.",
        [one, two],
        v1="topicA",
        v2="topicA",
        v21="topicA",
    )
    case(
        "the same states several times",
        "Repeated input sets change nothing.",
        [one, two, one, two, two],
        v1="topicA",
        v2="topicA",
        v21="topicA",
    )

    one, two = pair(topic=True)
    one.topic("topicA", ALICE, ts=1000)
    one.topic("topicB", ALICE, ts=1010)
    two.topic("topicC", ALICE, ts=2000)
    case(
        "two topics, the later one on the shorter branch",
        "Version 1 takes the greater depth, version 2 the later time stamp.",
        [one, two],
        v1="topicB",
        v2="topicC",
        v21="topicC",
    )

    one, two = pair(topic=True)
    one.topic("topicA", ALICE, ts=1000)
    two.topic("topicB", ALICE, ts=1000)
    case(
        "two topics at the same time",
        "The greater event ID is ordered last and wins in "
        "version 2; version 1 takes the lowest sha1 of the event ID at equal depth.",
        [one, two],
        v1="topicA",
        v2="topicB",
        v21="topicB",
    )

    one, two = pair(topic=True)
    one.topic("topicA", ALICE, ts=900)
    two.topic("topicB", ALICE, ts=900)
    three = two.fork()
    three.topic("topicC", BOB, ts=950)
    four = three.fork()
    four.topic("topicD", BOB, ts=850)
    case(
        "four forks with a topic each",
        "All pass; the latest time stamp wins.",
        [one, two, three, four],
        v1="topicD",
        v2="topicC",
        v21="topicC",
    )

    one, two = pair(topic=True)
    one.topic("topicA", ALICE)
    two.named("nameB", BOB)
    case(
        "different entries on both sides",
        "Both changes are kept.",
        [one, two],
        v1="topicA nameB",
        v2="topicA nameB",
        v21="topicA nameB",
    )

    one, two = pair()
    one.send("noteA", "org.example.note", BOB, {}, "a")
    two.send("noteB", "org.example.note", BOB, {}, "b")
    case(
        "different state keys",
        "Entries of one type under different keys do not conflict.",
        [one, two],
        v1="noteA noteB",
        v2="noteA noteB",
        v21="noteA noteB",
    )

    one, two = pair(topic=True)
    one.topic("topicA", ALICE)
    case(
        "a superseded entry against its successor",
        "The later one wins.",
        [one, two],
        v1="topicA",
        v2="topicA",
        v21="topicA",
    )

    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    other = main.fork()
    main.topic("topicA", ALICE, ts=900)
    other.topic("topicB", ALICE, ts=800)
    case(
        "a room without power levels",
        "There is no mainline; time stamps decide (in version 1, at equal depth, the lowest sha1).",
        [main, other],
        v1="topicA",
        v2="topicA",
        v21="topicA",
    )


# ---------------------------------------------------------------- bans and kicks


def moderation_cases() -> None:
    one, two = pair()
    one.member("banBob", BOB, "ban", ALICE)
    two.topic("topicB", BOB)
    case(
        "ban against the banned user's topic",
        "The spec's own example of soft failure: the "
        "original algorithm keeps the topic, which nothing contradicts; later ones put the ban "
        "first.",
        [one, two],
        v1="banBob topicB",
        v2="banBob",
        v21="banBob",
    )

    one, two = pair(topic=True)
    one.member("banBob", BOB, "ban", ALICE)
    two.topic("topicB", BOB)
    case(
        "ban against the banned user's topic, with a topic before",
        "The banned user's topic fails, the earlier one remains.",
        [one, two],
        v1="banBob topic1",
        v2="banBob topic1",
        v21="banBob topic1",
    )

    one, two = pair(topic=True)
    one.member("banBob", BOB, "ban", ALICE, ts=90000)
    two.topic("topicB", BOB, ts=100)
    case(
        "ban against a topic that claims to be older",
        "Power events come first whatever the time stamps say.",
        [one, two],
        v1="banBob topic1",
        v2="banBob topic1",
        v21="banBob topic1",
    )

    one, two = pair(topic=True)
    two.topic("topicB", BOB)
    two.member("banBob", BOB, "ban", ALICE)
    case(
        "ban after the topic on the same branch",
        "A known effect (MSC1442, 'State Resets'): resolving before against after applies the "
        "ban first and loses the topic set before it.",
        [one, two],
        v1="banBob topic1",
        v2="banBob topic1",
        v21="banBob topic1",
    )

    one, two = pair()
    one.member("banBob", BOB, "ban", ALICE)
    two.join(BOB, "bobAgain", content={"displayname": "B"})
    case(
        "ban against a profile change",
        "The ban wins.",
        [one, two],
        v1="banBob",
        v2="banBob",
        v21="banBob",
    )

    one, two = pair()
    one.member("banDave", DAVE, "ban", ALICE)
    two.join(DAVE)
    case(
        "ban of a user who joins meanwhile",
        "The ban wins.",
        [one, two],
        v1="banDave",
        v2="banDave",
        v21="banDave",
    )

    one, two = pair()
    one.member("banBob", BOB, "ban", ALICE)
    two.member("kickCarol", CAROL, "leave", BOB)
    case(
        "ban against the banned user's kick",
        "The higher user's ban comes first.",
        [one, two],
        v1="banBob joinCarol",
        v2="banBob joinCarol",
        v21="banBob joinCarol",
    )

    one, two = pair()
    one.member("banBob", BOB, "ban", ALICE, ts=5000)
    two.member("banCarol", CAROL, "ban", BOB, ts=100)
    two.member("kickGreg", DAVE, "ban", BOB, ts=110)
    case(
        "ban against several bans by the banned user",
        "All of them fall.",
        [one, two],
        v1="banBob joinCarol kickGreg",
        v2="banBob joinCarol",
        v21="banBob joinCarol",
    )

    one, two = pair()
    one.member("banCarol", CAROL, "ban", BOB, ts=1000)
    two.member("kickCarol", CAROL, "leave", GREG, ts=2000)
    case(
        "ban and a later kick by equals",
        "The kick is applied after the ban and lifts it: its sender may unban.",
        [one, two],
        v1="banCarol",
        v2="kickCarol",
        v21="kickCarol",
    )

    one, two = pair()
    one.member("banCarol", CAROL, "ban", BOB, ts=2000)
    two.member("kickCarol", CAROL, "leave", GREG, ts=1000)
    case(
        "kick and a later ban by equals",
        "The ban is applied last.",
        [one, two],
        v1="banCarol",
        v2="banCarol",
        v21="banCarol",
    )

    one, two = pair()
    one.member("banCarol", CAROL, "ban", BOB, ts=1000)
    two.member("kickCarol", CAROL, "leave", HEIDI, ts=2000)
    case(
        "ban by a lower user, later kick by a higher one",
        "The higher user goes first, so the ban is the last word.",
        [one, two],
        v1="banCarol",
        v2="banCarol",
        v21="banCarol",
    )

    one, two = pair()
    one.member("leaveCarol", CAROL, "leave")
    two.member("kickCarol", CAROL, "leave", BOB)
    case(
        "leave against kick",
        "The kick is a power event and comes first; one who is out cannot leave.",
        [one, two],
        v1="kickCarol",
        v2="kickCarol",
        v21="kickCarol",
    )

    one, two = pair()
    one.member("kickCarol", CAROL, "leave", BOB)
    two.topic("topicC", ALICE)
    two.send("noteC", "org.example.note", CAROL, {}, CAROL, ts=1)
    case(
        "kick against the kicked user's state",
        "Her state needs the state level and her membership; both are missing.",
        [one, two],
        v1="kickCarol topicC noteC",
        v2="kickCarol topicC",
        v21="kickCarol topicC",
    )

    one, two = pair()
    one.member("kickBob", BOB, "leave", ALICE)
    two.member("inviteDave", DAVE, "invite", BOB)
    case(
        "kick against the kicked user's invite",
        "The invite falls with its sender; version 1 keeps what nothing contradicts.",
        [one, two],
        v1="kickBob inviteDave",
        v2="kickBob",
        v21="kickBob",
    )

    one, two = pair()
    one.member("banCarol", CAROL, "ban", BOB)
    two.member("banCarol2", CAROL, "ban", GREG)
    case(
        "two bans of one user",
        "Either way she is banned; the later is applied last.",
        [one, two],
        v1="banCarol",
        v2="banCarol2",
        v21="banCarol2",
    )

    main = common()
    main.member("banCarol", CAROL, "ban", BOB)
    before = main.fork()
    main.member("unbanCarol", CAROL, "leave", BOB)
    main.join(CAROL, "carolBack")
    case(
        "banned against unbanned and back",
        "The unban is in the auth difference and is "
        "replayed between; version 1 does not see it and resets to the ban.",
        [before, main],
        v1="banCarol",
        v2="carolBack",
        v21="carolBack",
    )

    main = common()
    main.member("leave1", CAROL, "leave")
    before = main.fork()
    main.join(CAROL, "join2")
    main.member("leave2", CAROL, "leave")
    case(
        "left, joined and left again",
        "The 'Hotel California' of MSC1442: version 2 replays the join between the leaves.",
        [before, main],
        v1="leave1",
        v2="leave2",
        v21="leave2",
    )

    main = common()
    main.member("leave1", CAROL, "leave")
    left = main.fork()
    main.join(CAROL, "join2")
    joined = main.fork()
    main.member("leave2", CAROL, "leave")
    case(
        "left, joined and left again, three states",
        "All three stages at once.",
        [left, joined, main],
        v1="leave2",
        v2="leave2",
        v21="leave2",
    )


# ---------------------------------------------------------------- power levels


def power_cases() -> None:
    one, two = pair(topic=True)
    one.power("power2", ALICE, {**LEVELS, BOB: 0})
    two.power("power3", BOB, LEVELS, content={"kick": 40})
    case(
        "demotion against the demoted user's power levels",
        "The higher sender goes first; the other is then powerless.",
        [one, two],
        v1="power2",
        v2="power2",
        v21="power2",
    )

    one, two = pair(topic=True)
    one.power("power2", ALICE, {**LEVELS, BOB: 0})
    two.member("banCarol", CAROL, "ban", BOB)
    case(
        "demotion against the demoted user's ban",
        "The ban falls.",
        [one, two],
        v1="power2 joinCarol",
        v2="power2 joinCarol",
        v21="power2 joinCarol",
    )

    one, two = pair(topic=True)
    one.power("power2", BOB, {**LEVELS, BOB: 0})
    two.topic("topicB", BOB)
    case(
        "self-demotion against a topic",
        "Power events first: the topic falls.",
        [one, two],
        v1="power2 topic1",
        v2="power2 topic1",
        v21="power2 topic1",
    )

    one, two = pair(topic=True)
    one.power("power2", ALICE, LEVELS, content={"state_default": 51})
    two.topic("topicB", BOB)
    case(
        "raised state level against a topic",
        "The topic needs more now.",
        [one, two],
        v1="power2 topic1",
        v2="power2 topic1",
        v21="power2 topic1",
    )

    one, two = pair(topic=True)
    one.power("power2", ALICE, LEVELS, content={"users_default": 50})
    two.topic("topicB", BOB)
    one.topic("topicC", CAROL, ts=5)
    case(
        "a later epoch beats a later time stamp",
        "The topic that cites the newer power levels is ordered last.",
        [one, two],
        v1="topicC power2",
        v2="power2 topicC",
        v21="power2 topicC",
    )

    one, two = pair()
    one.power("power2", ALICE, {**LEVELS, CAROL: 50})
    one.power("power3", CAROL, {**LEVELS, CAROL: 50, DAVE: 50})
    case(
        "a chain of promotions",
        "The auth difference replays the promotion between; version 1 does not and resets.",
        [one, two],
        v1="power1",
        v2="power3",
        v21="power3",
    )

    one, two = pair()
    one.power("power2", ALICE, {**LEVELS, CAROL: 50})
    one.power("power3", CAROL, {**LEVELS, CAROL: 50, DAVE: 50})
    one.join(DAVE)
    one.power("power4", DAVE, {**LEVELS, CAROL: 50, DAVE: 50, EVE: 50})
    two.topic("topicT", BOB)
    case(
        "a longer chain of promotions against a topic",
        "Every link is replayed in order.",
        [one, two],
        v1="power1 joinDave topicT",
        v2="power4 joinDave topicT",
        v21="power4 joinDave topicT",
    )

    one, two = pair()
    one.power("power2", HEIDI, LEVELS, content={"ban": 60}, ts=1000)
    two.power("power3", ALICE, LEVELS, content={"kick": 60}, ts=2000)
    case(
        "two admins change the levels",
        "At equal level the later comes last and wins; in "
        "version 12 the creator stands above, goes first and is overwritten.",
        [one, two],
        v1="power3",
        v2="power3",
        v21="power2",
    )

    one, two = pair()
    one.power("power2", ALICE, LEVELS, content={"ban": 60}, ts=1000)
    two.power("power3", HEIDI, LEVELS, content={"kick": 60}, ts=1000)
    case(
        "two admins change the levels at the same time",
        "The event ID decides; in version 12 the level does, to the same end.",
        [one, two],
        v1="power3",
        v2="power3",
        v21="power3",
    )

    one, two = pair()
    one.power("power2", HEIDI, {**LEVELS, BOB: 0}, ts=3000)
    two.power("power3", BOB, {**LEVELS, CAROL: 50}, ts=1000)
    two.member("banGreg", DAVE, "ban", CAROL, ts=1010)
    case(
        "demotion against what the demoted user set in motion",
        "The whole branch falls that builds on the lost level.",
        [one, two],
        v1="power2 banGreg",
        v2="power2",
        v21="power2",
    )

    one, two = pair()
    one.power("power2", ALICE, LEVELS, content={"invite": 50})
    two.member("inviteDave", DAVE, "invite", CAROL)
    case(
        "raised invite level against an invite",
        "The invite falls.",
        [one, two],
        v1="power2 inviteDave",
        v2="power2",
        v21="power2",
    )

    one, two = pair()
    one.power("power2", ALICE, LEVELS, content={"events": {"m.room.name": 0}})
    two.named("nameB", BOB)
    one.named("nameC", CAROL)
    case(
        "a lowered level lets a member's name stand",
        "It belongs to the later epoch.",
        [one, two],
        v1="power2 nameC",
        v2="power2 nameC",
        v21="power2 nameC",
    )

    one, two = pair()
    one.power("power2", ALICE, {**LEVELS, CAROL: 50})
    two.power("power3", HEIDI, {**LEVELS, GREG: 0})
    three = two.fork()
    three.power("power4", HEIDI, {**LEVELS, GREG: 0, BOB: 0})
    case(
        "three branches of power levels",
        "In order of levels, then ancestry; the last that passes wins.",
        [one, two, three],
        v1="power4",
        v2="power4",
        v21="power4",
    )

    one, two = pair()
    one.power("power2", ALICE, {ALICE: 100, BOB: 50, HEIDI: 100})
    two.member("banCarol", CAROL, "ban", GREG)
    three = two.fork()
    three.rules("rulesG", BOB, "invite")
    case(
        "one demoted, another's join rules stand",
        "The ban falls. Carol's old join, which the "
        "ban had pulled into the first step, is replayed after the closing and falls too.",
        [one, three],
        v1="power2 joinCarol rulesG",
        v2="power2 rulesG",
        v21="power2 rulesG",
    )


# ---------------------------------------------------------------- join rules


def join_rule_cases() -> None:
    one, two = pair()
    one.rules("rulesA", ALICE, "invite")
    two.join(DAVE)
    case(
        "closing the room against a join",
        "The join falls; version 1 keeps it (MSC1442 names this as a fault).",
        [one, two],
        v1="rulesA joinDave",
        v2="rulesA",
        v21="rulesA",
    )

    one, two = pair()
    one.rules("rulesA", ALICE, "invite")
    two.member("inviteDave", DAVE, "invite", CAROL)
    two.join(DAVE)
    case(
        "closing the room against an invited user's join",
        "The invite, in the auth difference, carries the join.",
        [one, two],
        v1="rulesA joinDave",
        v2="rulesA joinDave",
        v21="rulesA joinDave",
    )

    one, two = pair()
    one.rules("rulesA", ALICE, "invite")
    two.join(CAROL, "carolAgain", content={"displayname": "C"})
    case(
        "closing the room against a member's profile change",
        "Members may join again.",
        [one, two],
        v1="rulesA carolAgain",
        v2="rulesA carolAgain",
        v21="rulesA carolAgain",
    )

    one, two = pair()
    one.rules("rulesA", ALICE, "invite", ts=1000)
    two.rules("rulesB", BOB, "private", ts=2000)
    case(
        "two join rules, the lower sender later",
        "The higher sender first, the lower last.",
        [one, two],
        v1="rulesB",
        v2="rulesB",
        v21="rulesB",
    )

    one, two = pair()
    one.rules("rulesA", ALICE, "invite", ts=2000)
    two.rules("rulesB", BOB, "private", ts=1000)
    case(
        "two join rules, the lower sender earlier",
        "The level goes before the time stamp: the lower sender is still applied last.",
        [one, two],
        v1="rulesB",
        v2="rulesB",
        v21="rulesB",
    )

    one, two = pair()
    one.member("banBob", BOB, "ban", ALICE)
    two.rules("rulesB", BOB, "private")
    case(
        "ban against the banned user's join rules",
        "The ban is applied first.",
        [one, two],
        v1="banBob rules1",
        v2="banBob rules1",
        v21="banBob rules1",
    )

    one, two = pair(rule="invite")
    one.rules("rulesA", ALICE, "public")
    one.join(DAVE)
    two.rules("rulesB", BOB, "private")
    case(
        "opened and joined against closed",
        "The opening is replayed before the closing; the join comes after both and falls.",
        [one, two],
        v1="rulesB joinDave",
        v2="rulesB",
        v21="rulesB",
    )

    one, two = pair(rule="invite")
    one.rules("rulesA", ALICE, "public")
    one.join(DAVE)
    two.topic("topicT", ALICE)
    case(
        "opened and joined against a topic",
        "Everything passes.",
        [one, two],
        v1="rulesA joinDave topicT",
        v2="rulesA joinDave topicT",
        v21="rulesA joinDave topicT",
    )

    authorised = {"join_authorised_via_users_server": BOB}
    one, two = pair(rule="restricted")
    one.topic("topicT", ALICE)
    two.member("daveVia", DAVE, "join", content=authorised)
    case(
        "restricted join against a topic",
        "The authoriser may invite.",
        [one, two],
        v1=None,
        v2="topicT daveVia",
        v21="topicT daveVia",
        first=8,
    )

    one, two = pair(rule="restricted")
    one.member("banBob", BOB, "ban", ALICE)
    two.member("daveVia", DAVE, "join", content=authorised)
    case(
        "ban of the authoriser against a restricted join",
        "The join falls with its authoriser.",
        [one, two],
        v1=None,
        v2="banBob",
        v21="banBob",
        first=8,
    )

    one, two = pair(rule="restricted")
    one.power("power2", ALICE, LEVELS, content={"invite": 60})
    two.member("daveVia", DAVE, "join", content=authorised)
    case(
        "raised invite level against a restricted join",
        "The authoriser may no longer invite.",
        [one, two],
        v1=None,
        v2="power2",
        v21="power2",
        first=8,
    )

    one, two = pair(rule="knock")
    one.rules("rulesA", ALICE, "invite")
    two.member("knockDave", DAVE, "knock")
    case(
        "ending knocking against a knock",
        "The knock falls.",
        [one, two],
        v1=None,
        v2="rulesA",
        v21="rulesA",
        first=7,
    )

    one, two = pair(rule="knock")
    one.member("banDave", DAVE, "ban", BOB)
    two.member("knockDave", DAVE, "knock")
    two.member("inviteDave", DAVE, "invite", CAROL)
    case(
        "ban against knock and invite",
        "The ban comes first and stays.",
        [one, two],
        v1=None,
        v2="banDave",
        v21="banDave",
        first=7,
    )


# ---------------------------------------------------------------- memberships


def membership_cases() -> None:
    one, two = pair()
    one.join(DAVE)
    two.join(EVE)
    case(
        "joins of two users",
        "Both are in.",
        [one, two],
        v1="joinDave joinEve",
        v2="joinDave joinEve",
        v21="joinDave joinEve",
    )

    one, two = pair()
    one.join(DAVE, "daveHere", ts=1000)
    two.join(DAVE, "daveThere", ts=2000)
    case(
        "one user joins twice",
        "The later join is applied last.",
        [one, two],
        v1="daveHere",
        v2="daveThere",
        v21="daveThere",
    )

    one, two = pair(rule="invite")
    one.member("inviteDave", DAVE, "invite", CAROL)
    two.member("inviteDave2", DAVE, "invite", BOB)
    one.join(DAVE, "daveIn")
    case(
        "joined on one side, invited again on the other",
        "One who is in cannot be invited: the invite is ordered first, then the join.",
        [one, two],
        v1="daveIn",
        v2="daveIn",
        v21="daveIn",
    )

    one, two = pair(rule="invite")
    one.member("inviteDave", DAVE, "invite", CAROL)
    one.member("dropDave", DAVE, "leave")
    two.topic("topicT", ALICE)
    case(
        "an invite turned down",
        "Replayed in order: out.",
        [one, two],
        v1="dropDave topicT",
        v2="dropDave topicT",
        v21="dropDave topicT",
    )

    one, two = pair(rule="invite")
    one.member("inviteDave", DAVE, "invite", CAROL)
    two.member("leaveCarol", CAROL, "leave")
    case(
        "an invite while its sender leaves",
        "A leave of one's own is no power event: by time stamps the invite precedes the leave.",
        [one, two],
        v1="leaveCarol inviteDave",
        v2="leaveCarol inviteDave",
        v21="leaveCarol inviteDave",
    )

    one, two = pair(rule="invite")
    one.member("leaveCarol", CAROL, "leave")
    two.member("inviteDave", DAVE, "invite", CAROL)
    case(
        "an invite after its sender left elsewhere",
        "By time stamps the leave precedes the invite, which falls.",
        [one, two],
        v1="leaveCarol inviteDave",
        v2="leaveCarol",
        v21="leaveCarol",
    )

    one, two = pair()
    one.join(CAROL, "carolA", content={"displayname": "A"}, ts=1000)
    two.join(CAROL, "carolB", content={"displayname": "B"}, ts=1000)
    two.join(CAROL, "carolC", content={"displayname": "C"}, ts=500)
    case(
        "profile changes",
        "By time stamps; a successor dated before its predecessor loses to it.",
        [one, two],
        v1="carolC",
        v2="carolB",
        v21="carolB",
    )


# ---------------------------------------------------------------- orderings


def ordering_cases() -> None:
    one, two = pair()
    one.member("kickDave", DAVE, "ban", BOB, ts=9000)
    one.member("unbanDave", DAVE, "leave", ALICE, ts=8000)
    two.topic("topicT", BOB)
    case(
        "ancestry goes before level and time",
        "The unban by a higher user at an earlier time still follows the ban in its auth chain.",
        [one, two],
        v1="unbanDave topicT",
        v2="unbanDave topicT",
        v21="unbanDave topicT",
    )

    one, two = pair()
    one.rules("rulesA", BOB, "invite", ts=1000)
    two.rules("rulesB", GREG, "private", ts=1000)
    case(
        "power events equal in level and time",
        "The lower event ID goes first.",
        [one, two],
        v1="rulesB",
        v2="rulesB",
        v21="rulesB",
    )

    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    early = main.fork()
    early.topic("topicE", ALICE, ts=90000)
    main.power("power1", ALICE, LEVELS)
    main.topic("topicL", ALICE, ts=80000)
    case(
        "a topic that cites no power levels",
        "It lies before the whole mainline, whatever its "
        "time stamp; version 12 has the same power levels replayed.",
        [early, main],
        v1="topicL power1",
        v2="topicL power1",
        v21="topicL power1",
    )

    one, two = pair(topic=True)
    one.power("power2", ALICE, {**LEVELS, BOB: 0})
    two.power("power3", BOB, LEVELS, content={"kick": 40})
    two.topic("topicA", ALICE, ts=50)
    one.topic("topicH", HEIDI, ts=40)
    case(
        "a topic that cites losing power levels",
        "Its place is that of the closest winning ancestor, before topics of the winning epoch.",
        [one, two],
        v1="power2 topicA",
        v2="power2 topicH",
        v21="power2 topicH",
    )

    main = common()
    main.power("power2", ALICE, LEVELS, content={"invite": 10})
    main.named("nameM", ALICE)
    stale = main.fork()
    stale.topic("topicN", BOB, ts=10)
    older = Branch(
        main.room, {**main.state, **main.room.state_of(["power1"])}, main.last, main.depth
    )
    older.topic("topicO", BOB, ts=20)
    sane = {**older.state, **main.room.state_of(["power2"])}
    case(
        "mainline with power levels that need no replay",
        "Algorithm 2 finds both epochs on the "
        "mainline of the unconflicted power levels; 2.1 starts from an empty state, replays no "
        "power levels, so has no mainline and goes by time stamps.",
        [stale, sane],
        v1="topicN",
        v2="topicN",
        v21="topicO",
    )


def further_ordering_cases() -> None:
    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    early = main.fork()
    early.topic("topicE", ALICE, ts=90000)
    main.power("power1", ALICE, LEVELS)
    main.topic("topicL", ALICE, ts=80000)
    for number in range(2, 7):
        main.power(f"power{number}", ALICE, LEVELS, content={"ban": 50 + number})
    case(
        "a topic of the first epoch against one before it, many epochs later",
        "The mainline is followed to its end: the first epoch still follows what lies before.",
        [early, main],
        v1="topicL power6",
        v2="topicL power6",
        v21="topicL power6",
    )

    one, two = pair()
    one.power("power2", BOB, {**LEVELS, BOB: 0}, ts=2000)
    two.send("noteB", "org.example.note", BOB, {"membership": "ban"}, "x", ts=1000)
    case(
        "a note that looks like a ban",
        "Only membership events are power events: the self-demotion comes first.",
        [one, two],
        v1="power2 noteB",
        v2="power2",
        v21="power2",
    )

    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    main.power("power1", ALICE, {ALICE: 100}, ts=3000)
    main.power("power2", ALICE, {ALICE: 100}, content={"ban": 60}, ts=2000)
    main.power("power3", ALICE, {ALICE: 100}, content={"ban": 70}, ts=1000)
    main.topic("topicT", ALICE)
    case(
        "outdated power levels with time stamps that run backwards",
        "The middle one is in both auth chains and not replayed by algorithm 2, yet the last "
        "still follows the first.",
        [main, replaced(main, "power1")],
        v1="power3",
        v2="power3",
        v21="power3",
    )

    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    early = main.fork()
    early.rules("rulesE", ALICE, "public", ts=9000)
    main.power("power1", ALICE, LEVELS)
    main.rules("rules1", ALICE, "public")
    main.join(HEIDI)
    main.rules("rulesH", HEIDI, "knock", ts=8000)
    case(
        "a creator before there were power levels against an admin",
        "Without power levels the creator has level 100, like the admin: the later time stamp is "
        "applied last. In version 12 the creator goes first.",
        [early, main],
        v1="power1 joinHeidi rulesH",
        v2="power1 joinHeidi rulesE",
        v21="power1 joinHeidi rulesH",
    )

    one, two = pair()
    one.power("power2", BOB, LEVELS, content={"ban": 45})
    two.join(BOB, "bobAgain", content={"displayname": "B"})
    case(
        "power levels of one whose membership is in conflict",
        "Version 1 resolves power levels on a state without the conflicting memberships, where "
        "Bob is nobody.",
        [one, two],
        v1="power1 bobAgain",
        v2="power2 bobAgain",
        v21="power2 bobAgain",
    )


# ---------------------------------------------------------------- MSC1442's examples


def msc1442_cases() -> None:
    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    main.power("power", ALICE, {ALICE: 100})
    main.rules("rules", ALICE, "public")
    main.join(BOB)
    main.topic("topic1", ALICE)
    main.power("P1", ALICE, {ALICE: 100, BOB: 50})
    left, right = main, main.fork()
    left.topic("topic2", ALICE, ts=1000)
    left.power("P2", ALICE, {ALICE: 100, BOB: 0})
    right.power("P3", BOB, {ALICE: 100, BOB: 50}, content={"kick": 10})
    right.topic("topic3", BOB, ts=2000)
    case(
        "MSC1442 example 1, message 2",
        "P2 passes, P3 then fails; of the topics only Alice's passes.",
        [left, right],
        v1="P2 topic2",
        v2="P2 topic2",
        v21="P2 topic2",
    )
    merged = left.merge(
        right, left.room.state_of(["create", "joinAlice", "rules", "joinBob", "P2", "topic2"])
    )
    after = merged.fork()
    after.topic("topic4", ALICE, ts=500)
    case(
        "MSC1442 example 1, message 3",
        "Topic 4 cites P2, topic 2 cites P1: the later epoch "
        "wins though it claims an earlier time. (Only topic 4 has P2 in its auth chain, so 2.1 "
        "replays P2 and knows the mainline too.)",
        [merged, after],
        v1="topic4",
        v2="topic4",
        v21="topic4",
    )
    calm = merged.fork()
    calm.topic("topic5", ALICE, ts=3000)
    case(
        "MSC1442 example 1, message 3 with true time stamps",
        "All algorithms agree.",
        [merged, calm],
        v1="topic5",
        v2="topic5",
        v21="topic5",
    )

    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    main.rules("rules", ALICE, "public")
    main.join(BOB)
    main.power("powerA", ALICE, {ALICE: 100, BOB: 50})
    cited = list(main.state.values())
    main.power("powerB", ALICE, {ALICE: 100, BOB: 0})
    reops = main.fork()
    reops.power("powerE", ALICE, {ALICE: 100, BOB: 50})
    wanted = [name for name in cited if name in ("create", "powerA", "joinBob")]
    main.topic("topicD", BOB, auth=wanted)
    case(
        "MSC1442 example 2, a topic rejected at first",
        "Where Bob is op again the rejected "
        "topic passes and stands (here as the state of its branch).",
        [main, reops],
        v1="powerE topicD",
        v2="powerE topicD",
        v21="powerE topicD",
    )


# ---------------------------------------------------------------- MSC4297's state resets


def msc4297_cases() -> None:
    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    main.power("power", ALICE, {ALICE: 100})
    main.rules("rulesPublic", ALICE, "public")
    main.join(BOB)
    main.join(CAROL)
    main.rules("rulesInvite", ALICE, "invite")
    main.member("leaveAlice", ALICE, "leave")
    charlie = main.fork()
    main.join(BOB, "bobNamed", content={"displayname": "Bob"})
    charlie.join(CAROL, "carolNamed", content={"displayname": "Carol"})
    case(
        "MSC4297 problem A: join rules reset",
        "One server answers with outdated join rules; "
        "both forks agree that Alice has left. Algorithm 2 replays the join rules onto a room "
        "without Alice and loses them; 2.1 starts empty and keeps the newest.",
        [main, replaced(charlie, "rulesPublic")],
        v1="rulesPublic bobNamed carolNamed",
        v2="bobNamed carolNamed",
        v21="rulesInvite bobNamed carolNamed",
    )

    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    main.power("power1", ALICE, {ALICE: 100})
    main.rules("rules", ALICE, "public")
    main.join(BOB)
    main.join(CAROL)
    main.power("power2", ALICE, {ALICE: 100, BOB: 50})
    main.power("power3", BOB, {ALICE: 100, BOB: 50, CAROL: 50})
    zara = main.fork()
    main.join(EVE)
    main.join(EVE, "eveNamed", content={"displayname": "Eve"})
    zara.join(ZARA)
    case(
        "MSC4297 problem B: power levels reset",
        "One server answers with outdated power levels. "
        "Bob's promotion lies in the auth chains of both forks, so algorithm 2 does not replay "
        "it and refuses Bob's promotion of Carol; 2.1 finds it on the path between.",
        [replaced(main, "power1"), zara],
        v1="power1 eveNamed joinZara",
        v2="power1 eveNamed joinZara",
        v21="power3 eveNamed joinZara",
    )

    reset_variants()


def reset_variants() -> None:
    main = common()
    main.power("power2", ALICE, LEVELS, content={"ban": 60})
    main.member("leaveAlice", ALICE, "leave")
    case(
        "power levels reset because their sender left",
        "As problem A, with power levels.",
        [main, replaced(main, "power1")],
        v1="power1",
        v2="",
        v21="power2",
    )

    main = common(topic=True)
    main.topic("topic2", ALICE)
    main.member("leaveAlice", ALICE, "leave")
    case(
        "topic reset because its sender left",
        "As problem A, with a topic.",
        [main, replaced(main, "topic1")],
        v1="",
        v2="",
        v21="topic2",
    )

    main = common(topic=True)
    main.topic("topicB", BOB)
    main.topic("topicC", BOB)
    main.member("banBob", BOB, "ban", ALICE)
    case(
        "topic reset because its sender was banned",
        "The ban is agreed on; the topics were set before it.",
        [main, replaced(main, "topicB")],
        v1="",
        v2="",
        v21="topicC",
    )

    main = common(topic=True)
    main.topic("topicB", BOB)
    main.power("power2", ALICE, {**LEVELS, BOB: 0})
    case(
        "topic reset because its sender was demoted",
        "Algorithm 2 judges Bob's topic by the "
        "agreed power levels and falls back to the older one.",
        [main, replaced(main, "topic1")],
        v1="topic1",
        v2="topic1",
        v21="topicB",
    )

    main = common()
    main.rules("rulesB", BOB, "invite")
    main.member("kickBob", BOB, "leave", ALICE)
    case(
        "join rules reset because their sender was kicked",
        "Algorithm 2 refuses the newer join rules and reopens the room.",
        [main, replaced(main, "rules1")],
        v1="rules1",
        v2="rules1",
        v21="rulesB",
    )

    main = common()
    main.member("banCarol", CAROL, "ban", BOB)
    main.member("kickBob", BOB, "leave", ALICE)
    case(
        "ban reset because its sender was kicked",
        "Algorithm 2 forgets the ban.",
        [main, replaced(main, "joinCarol")],
        v1="joinCarol",
        v2="joinCarol",
        v21="banCarol",
    )

    main = common()
    main.power("power2", ALICE, {**LEVELS, CAROL: 60})
    main.power("power3", CAROL, {**LEVELS, CAROL: 60, DAVE: 55})
    main.join(DAVE)
    main.power("power4", DAVE, {**LEVELS, CAROL: 60, DAVE: 55, EVE: 50})
    main.topic("topicT", DAVE)
    case(
        "a long chain of promotions reset",
        "As problem B with one more link; the topic keeps all links in both auth chains.",
        [main, replaced(main, "power1")],
        v1="power1",
        v2="power1",
        v21="power4",
    )

    main = common()
    main.power("power2", ALICE, {**LEVELS, CAROL: 50})
    main.rules("rulesC", CAROL, "invite")
    main.power("power3", BOB, {**LEVELS, CAROL: 50}, content={"invite": 10})
    main.topic("topicT", BOB)
    case(
        "power levels and join rules both outdated",
        "Algorithm 2 refuses Carol's join rules, which her promotion allowed.",
        [main, replaced(main, "power1", "rules1")],
        v1="power3 rulesC",
        v2="power3 rulesC",
        v21="power3 rulesC",
    )

    main = common()
    main.rules("rulesI", ALICE, "invite")
    main.member("kickCarol", CAROL, "leave", BOB)
    main.member("inviteCarol", CAROL, "invite", BOB)
    main.join(CAROL, "carolBack")
    main.send("noteC", "org.example.note", BOB, {}, "n")
    main.member("inviteDave", DAVE, "invite", CAROL)
    case(
        "an outdated membership",
        "The way from the old join to the new one is replayed.",
        [main, replaced(main, "joinCarol")],
        v1="carolBack",
        v2="carolBack",
        v21="carolBack",
    )

    main = common()
    main.topic("topicA", BOB)
    main.member("leaveBob", BOB, "leave")
    other = main.fork()
    main.named("nameA", ALICE)
    other.topic("topicB", ALICE)
    case(
        "an agreed leave stays in the result",
        "2.1 replays on an empty state, yet entries all agree on are put back at the end.",
        [main, other],
        v1="nameA topicB",
        v2="nameA topicB",
        v21="nameA topicB",
    )


# ---------------------------------------------------------------- odd inputs


def odd_cases() -> None:
    main = common()
    main.join(DAVE)
    main.power("power2", ALICE, {**LEVELS, DAVE: 50})
    before = main.fork()
    main.topic("topicD", DAVE)
    case(
        "the auth difference fills a gap",
        "No state holds Dave's membership, but his topic "
        "cites it: it is replayed and enters the result.",
        [lacking(main, "joinDave"), lacking(before, "joinDave")],
        room=main.room,
        v1="topicD",
        v2="topicD joinDave",
        v21="topicD joinDave",
    )

    main = common()
    side = main.fork()
    main.join(BOB, "bobMain", content={"displayname": "M"}, ts=1000)
    side.join(BOB, "bobSide", content={"displayname": "S"}, ts=2000)
    side.topic("topicS", BOB)
    case(
        "agreed entries are put back",
        "The topic cites a membership of Bob that neither state "
        "has; its replay does not replace the one both have.",
        [main, {**side.state, **main.room.state_of(["bobMain"])}],
        v1="topicS",
        v2="topicS",
        v21="topicS",
    )

    for rejected in (True, False):
        main = common(rule="invite")
        main.member("inviteDave", DAVE, "invite", CAROL, rejected=rejected)
        main.state = lacking(main, "inviteDave")
        cited = ["create", "power1", "rules2", "inviteDave"]
        main.send("noteD", "org.example.note", ALICE, {}, auth=cited)
        other = main.fork()
        other.member("joinDave", DAVE, "join", auth=cited)
        case(
            f"an auth event that was {'rejected' if rejected else 'accepted'}",
            "Both auth chains hold the invite, so it is not replayed. It stands in for the "
            "missing membership only if it was not rejected.",
            [main, other],
            v1="joinDave",
            v2="" if rejected else "joinDave",
            v21="" if rejected else "joinDave",
        )

    one, two = pair(rule="invite")
    two.member("inviteDave", DAVE, "invite", CAROL, rejected=True)
    two.member("joinDave", DAVE, "join", auth=["create", "power1", "rules2", "inviteDave"])
    one.topic("topicT", ALICE)
    case(
        "a rejected event in the auth difference",
        "It is replayed as usual, passes, and the join that cites it passes too.",
        [one, two],
        v1="joinDave topicT",
        v2="joinDave topicT",
        v21="joinDave topicT",
    )

    one, two = pair()
    one.power("power2", ALICE, LEVELS, content={"ban": 60})
    case(
        "a third state that lacks an entry",
        "Absent here and changed there: the newest passes.",
        [one, two, lacking(two, "power1")],
        v1="power2",
        v2="power2",
        v21="power2",
    )

    one, two = pair()
    two.join(DAVE)
    two.topic("topicB", BOB)
    one.member("kickBob", BOB, "leave", HEIDI)
    three = two.fork()
    three.member("banCarol", CAROL, "ban", GREG)
    case(
        "three branches with kick, ban and topic",
        "Kick and ban first, then the joins; the topic's sender is out.",
        [one, two, three],
        v1="kickBob joinDave banCarol topicB",
        v2="kickBob joinDave banCarol",
        v21="kickBob joinDave banCarol",
    )


# ---------------------------------------------------------------- creators of version 12


def creator_cases() -> None:
    def start() -> tuple[Branch, Branch]:
        main = Room().branch()
        main.create(ALICE, additional_creators=[BOB])
        main.join(ALICE)
        main.power("power1", ALICE, {GREG: 50, HEIDI: 2**53 - 1})
        main.rules("rules1", ALICE, "public")
        for user in (BOB, GREG, HEIDI, CAROL):
            main.join(user)
        return main, main.fork()

    one, two = start()
    one.power("power2", BOB, {GREG: 50})
    two.power("power3", HEIDI, {GREG: 0, HEIDI: 2**53 - 1})
    case(
        "a creator demotes an admin of the highest level",
        "Creators go before every number.",
        [one, two],
        v1=None,
        v2=None,
        v21="power2",
    )

    one, two = start()
    one.member("kickHeidi", HEIDI, "leave", ALICE, ts=9000)
    two.member("banCarol", CAROL, "ban", HEIDI, ts=100)
    case(
        "a creator's kick against an admin's ban",
        "The ban falls though it claims to be older.",
        [one, two],
        v1=None,
        v2=None,
        v21="kickHeidi joinCarol",
    )

    one, two = start()
    one.power("power2", ALICE, {GREG: 60, HEIDI: 100}, ts=2000)
    two.power("power3", BOB, {GREG: 70, HEIDI: 100}, ts=1000)
    case(
        "two creators change the levels",
        "Creators are equal: the later time stamp is applied last.",
        [one, two],
        v1=None,
        v2=None,
        v21="power2",
    )

    one, two = start()
    one.topic("topicA", BOB, ts=1000)
    two.power(
        "power2",
        HEIDI,
        {GREG: 50, HEIDI: 2**53 - 1},
        content={"events": {"m.room.topic": 2**53 - 1}},
    )
    case(
        "a level above all numbers does not bind creators",
        "The topic stands.",
        [one, two],
        v1=None,
        v2=None,
        v21="topicA power2",
    )

    one, two = start()
    one.rules("rulesA", ALICE, "invite", ts=9000)
    two.rules("rulesH", HEIDI, "private", ts=100)
    case(
        "a creator's join rules against an admin's",
        "The creator goes first, the admin is applied last.",
        [one, two],
        v1=None,
        v2=None,
        v21="rulesH",
    )


def build() -> list[dict[str, Any]]:
    """All resolution cases."""
    CASES.clear()
    for part in (
        plain_cases,
        moderation_cases,
        power_cases,
        join_rule_cases,
        membership_cases,
        ordering_cases,
        further_ordering_cases,
        msc1442_cases,
        msc4297_cases,
        odd_cases,
        creator_cases,
    ):
        part()
    return list(CASES)
