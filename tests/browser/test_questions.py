"""Questions as their people see them: two ask the same, one card, claimed and answered; and the
console ranks as the core does."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from loadtest.targets.program import Program
from signaling.asking.rank import Candidate, rank
from tests.browser.people import PATIENCE_MS, enter

RANK = """
async (cards) => {
  const { ranked } = await import('/static/js/console/question-rank.js');
  const profile = (card) => ({ orders: card.paid ? 1 : 0 });
  return ranked(cards, profile, 1_000_000)
    .map(({ question, points }) => [question.question_id, Math.round(points * 1000)]);
}
"""


async def test_two_ask_one_card_is_claimed_and_answered(
    browser: Browser, program: Program, room: str
) -> None:
    host = await enter(browser, program, room, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
    asker = await enter(browser, program, room, "xiaolu", "viewer")
    chatter = await enter(browser, program, room, "momo", "viewer", locale="en-GB")

    await asker.by_id("ask-input").fill("这个适合油皮吗？")
    await asker.by_id("ask-send").click()
    card = host.by_id("question-item")
    await expect(card).to_be_visible(timeout=PATIENCE_MS)
    await chatter.page.evaluate("() => window.lianmaiRoom.chat('请问这个适合油皮吗')")
    await expect(card.get_by_test_id("question-count")).to_have_text("×2")
    await expect(card).to_have_count(1)
    await expect(card.get_by_test_id("question-why")).to_contain_text("2 人在问")

    await card.get_by_test_id("claim").click()
    await expect(card.get_by_test_id("question-claim")).to_be_visible()
    for person in (asker, chatter):
        await expect(person.page.locator(".my-question.is-claimed")).to_be_visible()
    await card.get_by_test_id("answer-live").click()
    for person in (asker, chatter):
        await expect(person.by_id("my-question")).to_have_attribute("data-phase", "answered")
    await host.by_id("questions-answered").click()
    await expect(host.by_id("answered-item")).to_contain_text("×2")

    async with host.page.expect_download() as exported:
        await host.by_id("questions-export").click()
    path = await (await exported.value).path()
    assert "这个适合油皮吗？" in path.read_text("utf-8-sig")


async def test_the_console_ranks_as_the_core_does(
    browser: Browser, program: Program, room: str
) -> None:
    staff = await enter(browser, program, room, "staff", "staff")
    candidates = [
        Candidate("q0", 1_000_000),
        Candidate("q1", 940_000, intent="schedule"),
        Candidate("q2", 990_000, askers=37, intent="price"),
        Candidate("q3", 990_000, askers=200),
        Candidate("q4", 700_000, askers=2, paid_before=True, intent="how_to_buy"),
        Candidate("q5", 700_000, askers=2, paid_before=True, intent="how_to_buy"),
        Candidate("q6", 1_200_000, askers=3, paid_before=True, intent="stock"),
    ]
    cards = [
        {
            "question_id": c.question_id,
            "asked_ms": c.asked_ms,
            "count": c.askers,
            "paid": c.paid_before,
            "intent": c.intent,
        }
        for c in candidates
    ]
    in_page = await staff.page.evaluate(RANK, cards)
    expected = [[r.question_id, round(r.score * 1000)] for r in rank(candidates, 1_000_000)]
    assert in_page == expected
