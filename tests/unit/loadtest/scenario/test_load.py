from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtest.scenario.errors import ScenarioError
from loadtest.scenario.load import (
    MAX_FILE_BYTES,
    as_values,
    as_yaml,
    list_shipped,
    load_scenario,
    load_slo,
    scenario_lines,
    scenario_of_text,
    scenario_of_values,
)
from loadtest.scenario.slo_names import MEANINGS, SloName

LEAST = "groups: {host: {role: host, socket: json}}\n"


def problems_of(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        scenario_of_text(text, "crowd.yaml")
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_quantities_become_plain_numbers() -> None:
    scenario = scenario_of_text(
        """
duration: 5m
warm_up: 10s
groups:
  host: {role: host, publish: {resolution: 1280x720@25, bitrate: 1.2Mbit}}
  viewers:
    count: 8
    join: {at: 500ms, over: 10s}
    stay: [10s, 1m]
    back_after: [1s, 2s]
    watch: {}
    socket: msgpack
    chat: 30/min
    network: weak
networks:
  weak: {loss: 5%, delay: 80ms, rate: 2Mbit, uplink: {loss: 1%}}
slo:
  joined_percent: {min: 99}
""",
        "crowd.yaml",
    )
    host, viewers, weak = scenario.groups["host"], scenario.groups["viewers"], scenario.networks
    assert (scenario.duration_s, scenario.warm_up_s, scenario.people) == (300, 10, 9)
    assert host.publish is not None
    assert (host.publish.size, host.publish.bitrate_bps) == ((1280, 720, 25), 1_200_000)
    assert (viewers.stay_s, viewers.chat_per_s, viewers.join.ends_s) == ((10, 60), 0.5, 10.5)
    assert (weak["weak"].loss, weak["weak"].delay_ms, weak["weak"].uplink.loss) == (0.05, 80, 0.01)
    assert scenario.slo[SloName.JOINED_PERCENT].at_least == 99
    assert scenario.slo[SloName.JOINED_PERCENT].at_most is None


@pytest.mark.parametrize("name", list_shipped())
def test_a_shipped_scenario_reads_and_can_be_shown(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.about
    assert scenario.slo
    assert scenario_of_text(as_yaml(scenario), "shown.yaml") == scenario
    assert scenario_of_values(as_values(scenario), "values") == scenario
    assert scenario_lines(scenario)


def test_what_is_shipped() -> None:
    assert list_shipped() == (
        "danmaku-flood",
        "join-storm",
        "marathon",
        "mic-carousel",
        "one-host-many-viewers",
        "smoke",
        "weak-network",
    )


def test_the_smoke_scenario_does_everything_in_seconds() -> None:
    smoke = load_scenario("smoke")
    groups = smoke.groups.values()
    assert smoke.duration_s <= 10
    for key in ("publish", "watch", "chat_per_s", "ask_per_s", "like_per_s", "mic"):
        assert any(getattr(group, key) is not None for group in groups), key
    assert {group.socket for group in groups} == {None, "json", "msgpack"}


def test_every_mistake_is_told_at_once_with_its_line_and_the_nearest_key() -> None:
    assert problems_of(
        """duration: 10x
warmup: 3
groups:
  viewers: {count: 3, wach: {}, role: hots}
  b:
    join: {att: 3}
    stay: [9s, 3s]
    socket: xml
  "bad name": {watch: {}}
  c: {count: 100001, back_after: 3s, chat: 3/d, publish: {resolution: 4k}}
networks:
  a: {loss: 5, uplink: {delai: 3}}
slo: {joined_percnt: {min: 3}, complaints: {most: 3}}
room:
"""
    ) == [
        "crowd.yaml, line 1: duration: '10x' is no duration;"
        ' write it like "500ms", "10s" or "5m"',
        "crowd.yaml, line 14: room: must be a text",
        "crowd.yaml, line 4: groups.viewers.role: must be 'host', 'guest', 'viewer' or 'staff'",
        "crowd.yaml, line 4: groups.viewers.wach: there is no such key; did you mean `watch`?",
        "crowd.yaml, line 6: groups.b.join.att: there is no such key; did you mean `at`?",
        "crowd.yaml, line 7: groups.b.stay: the first of the two must not be the longer one",
        "crowd.yaml, line 8: groups.b.socket: must be 'json' or 'msgpack'",
        "crowd.yaml, line 9: groups.bad name: must be a name of 1-32 letters, digits, _ or -,"
        " the first no sign",
        "crowd.yaml, line 10: groups.c.count: must be less than or equal to 100000",
        "crowd.yaml, line 10: groups.c.back_after: must be two durations such as [30s, 10m]",
        "crowd.yaml, line 10: groups.c.publish.resolution: '4k' is none of high, medium, low,"
        " nor like 1280x720@25",
        'crowd.yaml, line 10: groups.c.chat: \'3/d\' is no rate; write it like "20/s" or "30/min"',
        "crowd.yaml, line 12: networks.a.loss: '5' is not within 0..1; write percents like \"5%\"",
        "crowd.yaml, line 12: networks.a.uplink.delai: there is no such key; did you mean `delay`?",
        "crowd.yaml, line 13: slo.joined_percnt: there is no such figure;"
        " did you mean `joined_percent`?",
        "crowd.yaml, line 13: slo.complaints.most: there is no such key; there is: max, min",
        "crowd.yaml, line 2: warmup: there is no such key; did you mean `warm_up`?",
    ]


def test_names_of_code_are_no_keys_of_a_file() -> None:
    assert problems_of(f"{LEAST}duration_s: 3\n") == [
        "crowd.yaml, line 2: duration_s: there is no such key; did you mean `duration`?"
    ]


def test_a_missing_network_names_the_nearest() -> None:
    text = "groups:\n  v: {watch: {}, network: week}\nnetworks: {weak: {loss: 5%}}\n"
    assert problems_of(text) == [
        "crowd.yaml, line 2: groups.v.network: there is no network `week`; did you mean `weak`?"
    ]
    assert problems_of("groups: {v: {watch: {}, network: week}}") == [
        "crowd.yaml, line 1: groups.v.network: there is no network `week`; `networks` is empty"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1, 2]", "must be a map of keys, such as `groups:`"),
        ("", "must be a map of keys, such as `groups:`"),
        ("groups: {", "no valid YAML"),
        ("duration: 2024-99-99", "no valid YAML"),
        ("[" * 100_000, "no valid YAML"),
        ("seed: 1\nseed: 2", "line 2: seed: was written on line 1, too"),
        (LEAST + "slo: 3", "slo: must be a map of keys"),
        ("groups: {}", "groups: must have at least 1 item"),
        ("&a {groups: *a}", "groups"),
    ],
)
def test_what_is_no_scenario_at_all(text: str, problem: str) -> None:
    (first, *_) = problems_of(text)
    assert problem in first
    assert "\n" not in first


def test_an_unknown_name_names_the_nearest_and_how_to_name_a_file() -> None:
    with pytest.raises(ScenarioError, match=re.escape("did you mean `smoke`? (a file's name ends")):
        load_scenario("smok")
    with pytest.raises(ScenarioError, match="there is: danmaku-flood, join-storm"):
        load_scenario("zzz")


def test_a_file_of_the_users_finds_its_files_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "lines: said.txt\ngroups: {host: {role: host, publish: {file: show.mp4}, socket: json}}\n"
    )
    with pytest.raises(ScenarioError) as caught:
        load_scenario(str(path))
    assert caught.value.problems == (
        f"groups.host.publish.file: there is no file {tmp_path / 'show.mp4'}",
        f"lines: there is no file {tmp_path / 'said.txt'}",
    )
    (tmp_path / "show.mp4").write_bytes(b"")
    (tmp_path / "said.txt").write_text("hello\nhow much?\n")
    scenario = load_scenario(str(path))
    publish = scenario.groups["host"].publish
    assert publish is not None
    assert publish.file == tmp_path / "show.mp4"
    assert [line.text for line in scenario_lines(scenario)] == ["hello", "how much?"]
    assert scenario_of_text(as_yaml(scenario), "shown.yaml") == scenario


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    with pytest.raises(ScenarioError, match=r"mine\.yaml: cannot be read: No such file"):
        load_scenario(str(path))
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ScenarioError, match="is not UTF-8"):
        load_scenario(str(path))
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ScenarioError, match="longer than"):
        load_scenario(str(path))


def test_a_danmaku_file_that_is_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "said.jsonl").write_text('{"text": "hi"}\n{"txt": "hi"}\n')
    path = tmp_path / "mine.yaml"
    path.write_text(f"{LEAST}lines: said.jsonl\n")
    with pytest.raises(ScenarioError, match=r"lines: said\.jsonl, line 2: needs a `text`"):
        scenario_lines(load_scenario(str(path)))


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_limits_can_have_a_file_of_their_own(tmp_path: Path, is_wrapped: bool) -> None:
    path = tmp_path / "limits.yaml"
    head = "slo:\n" if is_wrapped else ""
    path.write_text(f"{head}  joined_percent: {{min: 99}}\n  complaints: {{max: 0}}\n")
    limits = load_slo(path)
    assert limits[SloName.COMPLAINTS].at_most == 0
    path.write_text(f"{head}  joined: {{min: 99}}\n")
    with pytest.raises(
        ScenarioError, match=r"limits\.yaml, line [12]: slo\.joined: .*did you mean"
    ):
        load_slo(path)
    path.write_text(f"{head}  joined_percent: {{}}\n")
    with pytest.raises(ScenarioError, match=r"slo\.joined_percent: give min, max, or both"):
        load_slo(path)


def test_every_figure_of_a_limit_has_a_meaning() -> None:
    assert set(MEANINGS) == set(SloName)
