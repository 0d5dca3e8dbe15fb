/** Who is this? Profile, open questions, and an invitation to the stage. */
import { openDialog } from '../ui/dialog.js';
import { avatar, el, icon } from '../ui/dom.js';
import { minutes, roughly } from '../ui/format.js';
import { accepted, toast } from '../ui/toast.js';
import { labelOf } from './profiles.js';

/**
 * @param {{subject: string, name: string}} person
 * @param {import('../lianmai.js').Room} room
 * @param {import('./profiles.js').Profiles} profiles
 */
export function openPerson(person, room, profiles) {
  const facts = el('dl', { class: 'facts', testid: 'profile' }, el('dd', { class: 'facts-wait', key: 'common.loading' }));
  const tag = el('span', { class: 'tag' });
  tag.hidden = true;
  profiles.get(person.subject).then((profile) => showFacts(facts, tag, profile));
  return openDialog({ title: 'person.title', testid: 'person-dialog' }, (close) => [
    el('div', { class: 'person-head' }, avatar(person, 'avatar-big'), el('div', {}, el('h3', { text: person.name }), tag)),
    facts,
    openQuestions(person, room),
    el('div', { class: 'dialog-actions' }, inviteButton(person, room, close)),
  ]);
}

/** Invite and say how it went. @returns {Promise<boolean>} */
export async function inviteToStage(person, room) {
  const isSent = await accepted(room.invite(person.subject));
  if (isSent) toast('console.invited', { name: person.name }, 'ok');
  return isSent;
}

function inviteButton(person, room, close) {
  const { seat, invite } = room.about(person.subject);
  const key = seat ? 'person.on_stage' : invite ? 'person.invited' : 'person.invite';
  return el('button', {
    class: 'btn btn-mic',
    testid: `invite-${person.subject}`,
    attrs: { type: 'button', autofocus: true, disabled: Boolean(seat || invite) || room.state.show.phase !== 'live' },
    on: { click: async () => (await inviteToStage(person, room)) && close() },
  }, icon('invite'), el('span', { key }));
}

function showFacts(facts, tag, profile) {
  if (!profile) {
    facts.replaceChildren(el('dd', { class: 'facts-wait', key: 'profile.unavailable' }));
    return;
  }
  const label = labelOf(profile);
  tag.replaceWith(el('span', { class: label.style, key: label.key }));
  const answeredIn = profile.questions_answered ? roughly(profile.response_ms_total / profile.questions_answered) : '–';
  const rows = [
    ['profile.visits', profile.visits],
    ['profile.dwell', roughly(profile.dwell_ms)],
    ['profile.questions', profile.questions_asked],
    ['profile.answered_in', answeredIn],
    ['profile.seats', profile.seats_taken],
    ['profile.on_mic', roughly(profile.seat_ms)],
    ['profile.messages', profile.messages],
    ['profile.likes', profile.likes],
    ['profile.orders', profile.orders],
    ['profile.clicks', profile.product_clicks],
  ];
  facts.replaceChildren(...rows.map(([key, value]) => el('div', {}, el('dt', { key }), el('dd', { text: String(value) }))));
}

function openQuestions(person, room) {
  const open = room.about(person.subject).questions.filter((question) => question.phase === 'open');
  return el('ul', { class: 'person-questions' }, ...open.map((question) =>
    el('li', {}, icon('question'), el('span', { text: question.text }), el('time', { text: minutes(room.now() - question.asked_ms) }))));
}
