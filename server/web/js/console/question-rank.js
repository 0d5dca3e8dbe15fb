/**
 * Which open question the host sees first, and why: as signaling/asking/rank.py (docs/questions.md),
 * here because what is known of a person is told to host and staff alone. No DOM, no clock.
 */

const PAID_POINTS = 20;
const DOUBLING_POINTS = 10;
const MAX_ASKER_POINTS = 60;
const INTENT_POINTS = {
  how_to_buy: 6, price: 5, stock: 5, suitability: 4, comparison: 4, promo_rule: 3, authenticity: 3,
  aftersales: 3, spec: 2, usage: 2, logistics: 2, show_request: 1, schedule: 0,
};
const POINT_MS = 6000;

/**
 * @typedef {{kind: 'paid'|'askers'|'intent'|'waiting', points: number, value: string}} Reason
 * @param {import('../sdk/types.js').Question} question
 * @param {import('../sdk/types.js').Profile|null|undefined} profile of who asked first, when known
 * @param {number} nowMs
 * @returns {{points: number, reasons: Reason[]}} most points first, none without points
 */
export function scoreOf(question, profile, nowMs) {
  const waitedMs = Math.max(0, nowMs - question.asked_ms);
  const askers = Math.max(1, question.count ?? 1);
  const reasons = [
    { kind: 'paid', points: profile?.orders > 0 ? PAID_POINTS : 0, value: '' },
    { kind: 'askers', points: Math.min(MAX_ASKER_POINTS, DOUBLING_POINTS * Math.log2(askers)), value: String(askers) },
    { kind: 'intent', points: INTENT_POINTS[question.intent] ?? 0, value: question.intent ?? '' },
    { kind: 'waiting', points: waitedMs / POINT_MS, value: String(Math.floor(waitedMs / 1000)) },
  ];
  return {
    points: reasons.reduce((sum, reason) => sum + reason.points, 0),
    reasons: reasons.filter(({ points }) => points > 0).sort((a, b) => b.points - a.points || (a.kind < b.kind ? -1 : 1)),
  };
}

/**
 * In the order for the host; among equals more askers, then who waited longer, then the id.
 * @param {import('../sdk/types.js').Question[]} questions
 * @param {(question: import('../sdk/types.js').Question) => import('../sdk/types.js').Profile|null|undefined} profileOf
 * @param {number} nowMs
 */
export function ranked(questions, profileOf, nowMs) {
  const scored = questions.map((question) => ({ question, ...scoreOf(question, profileOf(question), nowMs) }));
  return scored.sort((a, b) => b.points - a.points
    || (b.question.count ?? 1) - (a.question.count ?? 1)
    || a.question.asked_ms - b.question.asked_ms
    || (a.question.question_id < b.question.question_id ? -1 : 1));
}
