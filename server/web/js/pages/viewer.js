/** The viewer's page: watch, chat, ask, like, and come on stage. */
import { ChatList } from '../ui/chat-list.js';
import { openDialog } from '../ui/dialog.js';
import { byId, el, setAvatar } from '../ui/dom.js';
import { enterRoom } from '../ui/enter.js';
import { compact, nameOf, setName } from '../ui/format.js';
import { floatHearts } from '../ui/hearts.js';
import { onLangChange } from '../ui/i18n.js';
import { problemCard } from '../ui/problem-card.js';
import { guestName, guestToken, pageToken, roomOfPage } from '../ui/session.js';
import { accepted } from '../ui/toast.js';
import { VideoStage } from '../ui/video-stage.js';
import { mountAskForm, mountChatForm } from '../viewer/composer.js';
import { MicFlow } from '../viewer/mic-flow.js';
import { MyQuestions } from '../viewer/my-questions.js';
import { ProductCard } from '../viewer/product-card.js';
import { QualityPanel } from '../viewer/quality-panel.js';
import { ShowCover } from '../viewer/show-cover.js';

/** Other people's likes show as at most this many hearts a second. */
const AMBIENT_HEARTS = 4;
const NAME_HINT_FOR_MS = 12_000;

async function start() {
  const room = await enterRoom({ allowGuest: true });
  if (!room) return;
  new ShowCover(byId('cover'), room);
  const chat = new ChatList(byId('chat'));
  room.addEventListener('chat', ({ detail }) => (detail.isReset ? chat.reset(detail.added) : chat.add(detail.added)));
  room.addEventListener('shed', ({ detail }) => detail.lane === 'chat' && chat.note('chat.shed', { n: detail.count }));
  room.addEventListener('message_shed', () => chat.note('chat.not_shown'));
  room.addEventListener('message', ({ detail }) => noteStage(chat, detail));
  new MyQuestions(byId('my-questions'), room);
  new ProductCard(byId('product-card'), room);
  mountChatForm({ form: byId('chat-form'), input: byId('chat-input') }, room);
  mountAskForm({
    form: byId('ask-form'), input: byId('ask-input'), send: byId('ask-send'), open: byId('ask-open'), close: byId('ask-close'),
  }, room);
  mountHeader(room);
  mountLikes(room);
  new QualityPanel({ button: byId('quality'), panel: byId('quality-panel') }, room);
  mountStage(room);
  mountName(room);
}

function mountStage(room) {
  const unmute = byId('unmute');
  const sound = byId('sound');
  const stage = new VideoStage(byId('tiles'), {
    room,
    backdrop: byId('backdrop'),
    onSound: (isOn) => {
      document.body.classList.toggle('is-silent', !isOn);
      sound.setAttribute('aria-pressed', String(!isOn));
    },
    onRendered: (seats) => document.body.classList.toggle('has-stage', seats > 0),
  });
  unmute.addEventListener('click', () => stage.setSound(true));
  sound.addEventListener('click', () => stage.setSound(!stage.isSoundOn));
  new MicFlow({ button: byId('raise-hand'), bar: byId('self-bar') }, room, stage);
  if (!globalThis.RTCPeerConnection) byId('tiles').append(problemCard('no_webrtc'));
  else room.play().catch((error) => byId('tiles').append(problemCard(error.code === 'unsupported_codec' ? 'unsupported_codec' : 'playback_refused', () => location.reload())));
}

function mountHeader(room) {
  const showCounts = () => {
    byId('viewers').textContent = compact(room.state.viewers);
    byId('likes').textContent = room.state.likes ? compact(room.state.likes) : '';
  };
  const showHost = () => {
    const host = room.state.stage.seats.find((seat) => seat.seat === 0);
    const person = host ?? { subject: room.state.room, name: room.state.show.title || room.state.room };
    setAvatar(byId('host-avatar'), person);
    setName(byId('host-name'), person);
    byId('show-title').textContent = host ? room.state.show.title : '';
    document.title = room.state.show.title || nameOf(person);
  };
  room.addEventListener('counts', showCounts);
  for (const topic of ['show', 'stage']) room.addEventListener(topic, showHost);
  onLangChange(() => {
    showCounts();
    showHost();
  });
}

function mountLikes(room) {
  const hearts = byId('hearts');
  let shown = null;
  let ours = 0;
  byId('like').addEventListener('click', () => {
    room.like();
    ours += 1;
    floatHearts(hearts);
  });
  room.addEventListener('counts', () => {
    const { likes } = room.state;
    // Our own taps rose at once; only what others added rises now.
    if (shown !== null) floatHearts(hearts, Math.min(AMBIENT_HEARTS, Math.max(0, likes - shown - ours)));
    shown = likes;
    ours = 0;
  });
}

/** Guests may give themselves a name; nobody is stopped at the door for it. */
function mountName(room) {
  const button = byId('my-name');
  room.addEventListener('welcome', () => {
    setName(byId('my-name-text'), room.state.you);
    button.disabled = pageToken() !== null;
    button.hidden = false;
  });
  button.addEventListener('click', () => chooseName());
  if (pageToken() === null && !guestName()) suggestName(room);
}

/** After a guest's first words, and never again in this visit. */
function suggestName(room) {
  const hint = byId('name-hint');
  hint.addEventListener('click', () => {
    hint.hidden = true;
    chooseName();
  });
  const onChat = ({ detail }) => {
    if (detail.isReset || !detail.added.some((line) => line.subject === room.state.you?.subject)) return;
    room.removeEventListener('chat', onChat);
    hint.hidden = false;
    setTimeout(() => { hint.hidden = true; }, NAME_HINT_FOR_MS);
  };
  room.addEventListener('chat', onChat);
}

async function chooseName() {
  const input = el('input', {
    class: 'field', testid: 'name-input', label: 'name.label',
    attrs: { maxlength: 24, value: guestName(), autofocus: true, required: true },
  });
  const name = await openDialog({ title: 'name.title', testid: 'name-dialog' }, (close) => [
    el('form', { class: 'name-form', on: { submit: (event) => { event.preventDefault(); close(input.value.trim()); } } },
      el('p', { class: 'dialog-text', key: 'name.text' }), input,
      el('div', { class: 'dialog-actions' }, el('button', { class: 'btn btn-primary', key: 'common.save', testid: 'name-save', attrs: { type: 'submit' } }))),
  ]);
  if (name && (await accepted(guestToken(roomOfPage(), name)))) location.reload();
}

function noteStage(chat, message) {
  if (message.type === 'seat_taken' && message.seat.seat !== 0) chat.note('chat.joined_stage', { name: nameOf(message.seat) });
  if (message.type === 'question_answered' && !message.question.answer) chat.note('chat.answered', { text: message.question.text });
  if (message.type === 'order_placed') chat.note('chat.bought', { name: message.name, title: message.title, n: message.qty });
}

start();
