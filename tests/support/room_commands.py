"""Random command sequences for rooms: a small cast, so that commands meet each other often."""

from __future__ import annotations

from hypothesis import strategies as st

from signaling import commands as c
from signaling.ids import QuestionId, ShowId
from signaling.views import ProductView
from tests.support.room_driver import ANN, BEN, CAT, DAN, HOST, STAFF, START_MS, person, target

OTHER_HOST = person("other-host", "host")
CAST = (HOST, STAFF, ANN, BEN, CAT, DAN, OTHER_HOST)

_who = st.sampled_from(CAST)
_subject = _who.map(lambda actor: actor.subject)
_source = st.sampled_from(["camera", "microphone", "screen", "screen_audio"])
_question = st.sampled_from([QuestionId(f"q{n}") for n in range(6)])
_sku = st.sampled_from(["soap", "serum", "towel"])
_product = st.builds(ProductView, _sku, st.sampled_from(["A", "B"]), st.just(990), st.just("CNY"))
_episode = st.integers(0, 10**9).map(lambda n: f"episode-{n}")
_show = st.integers(0, 10**9).map(lambda n: ShowId(f"show-{n}"))

commands: st.SearchStrategy[c.RoomCommand] = st.one_of(
    st.builds(c.StartShow, _who, _show, st.none() | st.just("title")),
    st.builds(c.StartShow, st.just(HOST), _show),
    st.builds(c.EndShow, _who),
    st.builds(c.HostLost, _subject),
    st.builds(c.HostReturned, _subject),
    st.builds(c.RequestMic, _who, _episode, st.sampled_from(["audio", "video"])),
    st.builds(c.RequestMic, st.sampled_from([ANN, BEN, CAT, DAN]), _episode),
    st.builds(c.CancelRequest, _who),
    st.builds(c.AcceptRequest, _who, _subject),
    st.builds(c.AcceptRequest, st.just(HOST), _subject),
    st.builds(c.RejectRequest, st.just(STAFF), _subject),
    st.builds(c.Invite, st.sampled_from([HOST, STAFF, ANN]), _episode, _who.map(target)),
    st.builds(c.CancelInvite, st.just(STAFF), _subject),
    st.builds(c.AcceptInvite, _who),
    st.builds(c.DeclineInvite, _who),
    st.builds(c.LeaveSeat, _who),
    st.builds(c.RemoveGuest, st.just(HOST), _subject),
    st.builds(c.MuteSeat, st.just(STAFF), _subject, _source, st.booleans()),
    st.builds(c.SourceStarted, _subject, _source),
    st.builds(c.SourceStopped, _subject, _source),
    st.builds(c.SeatConnectionLost, _subject),
    st.builds(c.SeatConnectionBack, _subject),
    st.builds(c.PersonLeft, _subject),
    st.builds(c.Ask, _who, _question, st.just("多少钱")),
    st.builds(
        c.Ask,
        _who,
        _question,
        st.just("多少钱"),
        into=st.none() | _question,
        key=st.sampled_from([None, "k"]),
    ),
    st.builds(c.ClaimQuestion, st.sampled_from([HOST, STAFF]), _question),
    st.builds(c.ReleaseQuestion, st.just(STAFF), _question),
    st.builds(c.AnswerQuestion, st.sampled_from([HOST, STAFF, ANN]), _question),
    st.builds(c.DismissQuestion, st.just(STAFF), _question),
    st.builds(c.PutProduct, st.sampled_from([STAFF, ANN]), _product),
    st.builds(c.RemoveProduct, st.just(HOST), _sku),
    st.builds(c.PinProduct, st.sampled_from([STAFF, ANN]), _sku),
    st.builds(c.UnpinProduct, st.just(HOST), _sku),
    st.builds(
        c.PlaceOrder,
        st.sampled_from(["o1", "o2", "o3"]),
        st.just("小雨"),
        st.builds(c.OrderLine, _sku, st.just(2)).map(lambda line: (line,)),
        st.just(START_MS),
    ),
    st.just(c.Tick()),
)

pauses_ms = st.sampled_from([0, 0, 1, 500, 5_000, 14_999, 15_000, 30_000, 60_000, -2_000])
"""Time between two commands; negative where another node's clock is behind."""

sequences = st.lists(st.tuples(pauses_ms, commands), max_size=60)
