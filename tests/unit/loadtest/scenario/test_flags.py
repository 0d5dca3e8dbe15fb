from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from loadtest.scenario.errors import ScenarioError
from loadtest.scenario.flags import add_scenario_arguments, answer, listing, scenario_of
from loadtest.scenario.load import list_shipped, load_scenario, scenario_of_text
from loadtest.scenario.model import Group, Scenario
from loadtest.scenario.needs import needs
from loadtest.scenario.slo_names import SloName
from loadtest.targets.target import Capability


def parsed(line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_scenario_arguments(parser)
    return parser.parse_args(line.split())


def made(line: str) -> Scenario:
    return scenario_of(parsed(line))


def counts(scenario: Scenario) -> dict[str, int]:
    return {name: group.count for name, group in scenario.groups.items()}


def media(group: Group) -> tuple[bool, bool]:
    """Whether it sends video, audio."""
    return (False, False) if not group.publish else (group.publish.video, group.publish.audio)


def test_without_a_word_it_is_the_smoke_scenario() -> None:
    assert made("") == load_scenario("smoke")


@pytest.mark.parametrize("name", list_shipped())
def test_a_name_alone_changes_nothing(name: str) -> None:
    assert made(name) == load_scenario(name)


def test_subscribers_alone_get_a_host_and_any_whep_server_will_do() -> None:
    scenario = made("--subscribers 50")
    assert counts(scenario) == {"host": 1, "viewers": 50}
    assert media(scenario.groups["host"]) == (True, True)
    assert needs(scenario) == {Capability.MEDIA}
    assert scenario.warm_up_s > scenario.groups["viewers"].join.ends_s
    assert scenario.duration_s - scenario.warm_up_s == 30


def test_more_publishers_are_guests_who_hold_the_mic() -> None:
    scenario = made("--video-publishers 4 --audio-publishers 2 --subscribers 5 --layout 3x3")
    assert counts(scenario) == {
        "host": 1,
        "viewers": 5,
        "publishers": 1,
        "video-publishers": 2,
    }
    groups = scenario.groups
    assert media(groups["host"]) == media(groups["publishers"]) == (True, True)
    assert media(groups["video-publishers"]) == (True, False)
    for name in ("publishers", "video-publishers"):
        mic = groups[name].mic
        assert mic is not None
        assert (groups[name].role, mic.every_s, mic.hold_s) == ("guest", None, None)
    assert groups["host"].manages
    watch = groups["viewers"].watch
    assert watch is not None
    assert (watch.video, watch.audio) == (9, 2)


def test_who_asks_for_one_kind_of_publishers_gets_no_other() -> None:
    scenario = made("--audio-publishers 3 --subscribers 2")
    assert counts(scenario) == {"host": 1, "viewers": 2, "audio-publishers": 2}
    assert {media(group) for group in scenario.groups.values()} == {(False, True), (False, False)}


def test_over_a_scenario_the_kind_that_was_not_named_stays() -> None:
    scenario = made("smoke --video-publishers 2")
    assert media(scenario.groups["host"]) == (True, True)
    assert counts(scenario)["video-publishers"] == 1
    # The new guest sends what the host sends.
    publish = scenario.groups["video-publishers"].publish
    assert publish is not None
    assert publish.resolution == "low"


def test_messages_alone_need_no_media() -> None:
    scenario = made("--danmaku-rate 50/s --question-rate 30/min --like-rate 2 --sockets 200")
    chatters = scenario.groups["chatters"]
    assert chatters.count == 200
    assert (chatters.chat_per_s, chatters.ask_per_s, chatters.like_per_s) == (50, 0.5, 2)
    assert scenario.groups["host"].manages
    assert Capability.MEDIA not in needs(scenario)
    assert made("--danmaku-rate 50").groups["chatters"].count == 100


def test_counts_over_a_scenario_keep_the_shares_of_its_groups() -> None:
    assert counts(made("weak-network --subscribers 7")) == {"host": 1, "wired": 5, "weak": 2}
    assert counts(made("danmaku-flood --sockets 11")) == {"host": 1, "crowd": 8, "packed": 3}
    # Viewers of the media and people of the socket are counted apart.
    storm = counts(made("join-storm --subscribers 8 --sockets 4"))
    assert storm == {"host": 1, "viewers": 8, "readers": 4}
    assert counts(made("danmaku-flood --sockets 0")) == {"host": 1, "crowd": 0, "packed": 0}


def test_rates_over_a_scenario_keep_their_shares_and_zero_turns_them_off() -> None:
    groups = made("danmaku-flood --danmaku-rate 10/s --question-rate 0 --like-rate 7").groups
    assert (groups["crowd"].chat_per_s, groups["packed"].chat_per_s) == (7, 3)
    assert (groups["crowd"].like_per_s, groups["packed"].like_per_s) == (5, 2)
    assert groups["crowd"].ask_per_s is groups["packed"].ask_per_s is None
    # Nobody asked before: those who talk do.
    assert made("join-storm --question-rate 2").groups["readers"].ask_per_s == 2


def test_how_media_is_sent() -> None:
    line = "--subscribers 1 --video-resolution high --video-codec h264 --simulcast"
    publish = made(line).groups["host"].publish
    assert publish is not None
    assert (publish.resolution, publish.codec, publish.simulcast) == ("high", "H264", True)
    plain = made("smoke --no-simulcast").groups["host"].publish
    assert plain is not None
    assert not plain.simulcast


def test_a_network_of_flags_is_for_those_who_watch() -> None:
    scenario = made("weak-network --loss 3% --jitter 5ms --rate 1Mbit --delay 40ms")
    network = scenario.networks["flags"]
    assert (network.loss, network.delay_ms, network.jitter_ms) == (0.03, 40, 5)
    assert network.rate_bps == 40_000_000, "1 Mbit/s for each of the forty"
    behind = {name: group.network for name, group in scenario.groups.items()}
    assert behind == {"host": None, "wired": "flags", "weak": "flags"}
    assert made("weak-network --jitter 5ms").networks["flags"].delay_ms == 5
    # Where nobody watches, for those who talk.
    talk = made("danmaku-flood --loss 1%").groups
    assert (talk["host"].network, talk["crowd"].network) == (None, "flags")


def test_a_shared_rate_grows_with_the_people_behind_it() -> None:
    assert made("weak-network --subscribers 80").networks["weak"].rate_bps == 40_000_000
    assert made("weak-network").networks == load_scenario("weak-network").networks


def test_the_pace_is_that_of_all_who_come_together() -> None:
    groups = made("join-storm --num-per-second 26").groups
    assert groups["viewers"].join.over_s == groups["readers"].join.over_s == 520 / 26
    assert groups["viewers"].join.bursts is None
    assert groups["host"].join.over_s == 0


def test_a_shorter_run_has_its_joining_cut() -> None:
    scenario = made("one-host-many-viewers --duration 6s")
    assert (scenario.duration_s, scenario.warm_up_s) == (6, 3)
    join = scenario.groups["viewers"].join
    assert (join.at_s, join.ends_s) == (1.5, 3)
    storm = made("join-storm --duration 8s").groups["viewers"].join
    assert (storm.at_s, storm.every_s, storm.bursts) == (2, 0.666, 4)
    # What fits stays as it was.
    assert made("join-storm --duration 36s").groups == load_scenario("join-storm").groups


def test_a_pace_that_was_asked_for_is_not_cut() -> None:
    with pytest.raises(ScenarioError, match=r"flags: groups\.viewers\.join: people come until 12s"):
        made("--subscribers 100 --num-per-second 10 --duration 10s")


def test_room_seed_lines_and_limits(tmp_path: Path) -> None:
    limits, said = tmp_path / "limits.yaml", tmp_path / "said.txt"
    limits.write_text("complaints: {max: 3}\n")
    said.write_text("hi\n")
    scenario = made(f"smoke --room r1 --seed 7 --slo {limits} --danmaku {said}")
    assert (scenario.room, scenario.seed, scenario.lines) == ("r1", 7, said)
    assert list(scenario.slo) == [SloName.COMPLAINTS]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--duration 10x", "no duration"),
        ("--loss 3", "write percents"),
        ("--rate fast", "no bitrate"),
        ("--danmaku-rate lots", "no rate"),
        ("--subscribers -1", "argument"),
        ("--subscribers 100001", "no whole number from 0 to 100000"),
        ("--subscribers ٣", None),
        ("--num-per-second 0", "somebody must come"),
        ("--video-codec VP9", "invalid choice"),
        ("--layout 9x9", "invalid choice"),
    ],
)
def test_a_flag_that_cannot_be_read_says_why(line: str, problem: str | None) -> None:
    if problem is None:
        assert counts(made(line))["viewers"] == 3  # digits of any script are digits
        return
    with pytest.raises(argparse.ArgumentError, match=problem):
        parsed(line)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("smoke --room @", "flags: room: must be a name"),
        ("smoke --delay 80", "flags: networks.flags.delay: must be 0s to 10s"),
        ("smoke --duration 49h", "flags: duration: must be 1s to 48h"),
        ("smoke --danmaku-rate=-3", "flags: groups.chatters.chat: "),
        ("weak-network --sockets 5", "no viewer of `weak-network` talks"),
        ("danmaku-flood --subscribers 5", "nobody watches in `danmaku-flood`"),
        ("--video-publishers 0 --subscribers 3", "groups.viewers.watch: neither"),
        ("--subscribers 100000 --num-per-second 0.1", "join.over: must be 0s to 48h"),
        ("smok", "did you mean `smoke`"),
        ("smoke --slo nowhere.yaml", "nowhere.yaml: cannot be read"),
    ],
)
def test_what_flags_cannot_make_is_refused(line: str, problem: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        made(line)
    assert problem in str(caught.value)


def test_the_list_says_what_each_proves() -> None:
    lines = listing().splitlines()
    assert [line.split()[0] for line in lines] == list(list_shipped())
    assert all(load_scenario(line.split()[0]).about in line for line in lines)
    assert answer(parsed("--list")) == listing()
    assert answer(parsed("smoke")) is None


def test_what_is_shown_reads_as_what_would_run() -> None:
    line = "weak-network --subscribers 12 --loss 2% --duration 20s"
    shown = answer(parsed(f"{line} --show"))
    assert shown is not None
    assert scenario_of_text(shown, "shown.yaml") == made(line)
