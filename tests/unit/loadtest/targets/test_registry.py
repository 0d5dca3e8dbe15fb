"""Targets by what people write behind --target."""

from __future__ import annotations

import pytest

from loadtest.targets.janus import JanusTarget
from loadtest.targets.lianmai import LianmaiTarget
from loadtest.targets.nchan import NchanTarget
from loadtest.targets.registry import KINDS, Surroundings, help_lines, make_target
from loadtest.targets.target import Capability, TargetError
from loadtest.targets.whip import WhipTarget


def test_names_alone_start_private_servers() -> None:
    assert isinstance(make_target("lianmai"), LianmaiTarget)
    assert isinstance(make_target("janus"), JanusTarget)
    assert isinstance(make_target("nchan"), NchanTarget)


def test_what_each_can_do() -> None:
    assert make_target("lianmai").capabilities == frozenset(Capability)
    assert make_target("janus").capabilities == {Capability.MEDIA}
    assert Capability.MEDIA not in make_target("nchan").capabilities
    assert make_target("whep=http://h/{room}").capabilities == {Capability.MEDIA}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("lianmai", "lianmai"),
        ("lianmai:veth,name=ours", "ours"),
        ("lianmai:slowed_ms=100", "lianmai:slowed_ms=100"),
        ("lianmai:media_workers=2", "lianmai:media_workers=2"),
        ("lianmai:slowed_ms=5,media_workers=1", "lianmai:media_workers=1,slowed_ms=5"),
        ("janus", "janus"),
        ("janus:event_loops=2", "janus:event_loops=2"),
        ("janus:event_loops=unset", "janus"),
        ("janus:event_loops=2,name=peer", "peer"),
        ("whip=http://h/a,whep=http://h/b,name=srs", "srs"),
        ("whip:whep=http://h/b", "whip"),
    ],
)
def test_names_in_reports(text: str, name: str) -> None:
    assert make_target(text).name == name


def test_addresses_keep_their_commas_and_equal_signs() -> None:
    srs = make_target(
        "whip=http://h:1985/rtc/v1/whip/?app=live,1&stream={room},whep=http://h:1985/w?a=b,name=srs"
    )
    assert isinstance(srs, WhipTarget)
    assert srs.info().url == (
        "http://h:1985/rtc/v1/whip/?app=live,1&stream={room} http://h:1985/w?a=b"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jannus", "unknown target 'jannus': did you mean janus?"),
        ("", "unknown target ''"),
        ("janus:event_loop=2", "janus has no option 'event_loop': did you mean event_loops?"),
        ("janus:event_loops=0", "event_loops is a number from 1, or unset, not 0"),
        ("janus:event_loops=two", "event_loops is a number from 1, or unset, not two"),
        ("janus:event_loops", "write event_loops=VALUE"),
        ("janus:event_loops=", "write event_loops=VALUE"),
        ("janus:event_loops=1,event_loops=2", "event_loops is given twice"),
        ("lianmai:veth=yes", "write veth, not veth=yes"),
        ("lianmai:url=http://h", "http://h needs tokens"),
        ("lianmai:slowed_ms=fast", "slowed_ms is a number from 1, or unset, not fast"),
        ("nchan:workers=-1", "workers is a number from 1, or auto, not -1"),
        ("whip:name=x", "give a WHIP address, a WHEP address, or both"),
        ("whip=h/x", "h/x: an address starts with http:// or https://"),
    ],
)
def test_mistakes_are_one_line(text: str, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        make_target(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_runs_needs_tokens_and_no_settings() -> None:
    by_key = Surroundings(api_key="k", api_secret="s" * 32)
    assert make_target("lianmai:url=https://h:7880/", by_key).info().url == "https://h:7880"
    assert make_target("lianmai:url=https://h", Surroundings(token="t")).name == "lianmai"
    with pytest.raises(TargetError, match="come together"):
        make_target("lianmai:url=https://h", Surroundings(api_key="k"))
    for option in ("veth", "slowed_ms=100", "media_workers=1"):
        with pytest.raises(TargetError, match="veth are for a private server"):
            make_target(f"lianmai:url=https://h,{option}", by_key)


def test_a_server_slowed_on_purpose_says_so_in_its_settings() -> None:
    target = make_target("lianmai:slowed_ms=100", Surroundings(settings={"LIANMAI_X": "1"}))
    assert "LIANMAI_X=1, LIANMAI_DEBUG_FORWARD_DELAY_MS=100" in target.info().settings


def test_a_server_with_media_workers_is_told_so() -> None:
    assert "LIANMAI_MEDIA_WORKERS=2" in make_target("lianmai:media_workers=2").info().settings


def test_networks_of_a_scenario_reach_only_what_is_here() -> None:
    around = Surroundings(addresses=("10.0.0.1",))
    assert make_target("lianmai", around).name == "lianmai"
    for text in ("janus", "lianmai:veth"):
        with pytest.raises(TargetError, match="networks of a scenario do not reach"):
            make_target(text, around)


def test_secrets_are_not_shown() -> None:
    assert "geheim" not in repr(Surroundings(api_key="k", api_secret="geheim"))


def test_help_names_everything() -> None:
    text = "\n".join(help_lines())
    for name, kind in KINDS.items():
        assert f"{name}: " in text
        assert all(f"  {option}: " in text for option in kind.options)
