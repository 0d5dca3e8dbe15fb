/** The console of host and staff: stage, questions, mic requests, chat. */
import { mountChatFlow } from '../console/chat-flow.js';
import { openPerson } from '../console/person-dialog.js';
import { Profiles } from '../console/profiles.js';
import { QuestionBoard } from '../console/question-board.js';
import { RequestList } from '../console/request-list.js';
import { decorateSeat } from '../console/seat-controls.js';
import { ShelfPanel } from '../console/shelf-panel.js';
import { SignalBars } from '../console/signal-bars.js';
import { mountShortcuts } from '../console/shortcuts.js';
import { Studio } from '../console/studio.js';
import { ChatList } from '../ui/chat-list.js';
import { showBlocker } from '../ui/connection-banner.js';
import { byId } from '../ui/dom.js';
import { enterRoom } from '../ui/enter.js';
import { clock, compact } from '../ui/format.js';
import { onLangChange, setAttr, setText } from '../ui/i18n.js';
import { VideoStage } from '../ui/video-stage.js';
import { mountChatForm } from '../viewer/composer.js';

const QUALITY_EVERY_MS = 3000;

async function start() {
  mountTabs();
  const room = await enterRoom({ allowGuest: false });
  if (!room) return;
  byId('obs-link').href = `/obs/${location.pathname.split('/')[2]}${location.hash}`;
  byId('watch-link').href = `/room/${location.pathname.split('/')[2]}`;
  await room.joined.catch(() => null);
  if (room.connection === 'closed') return;
  if (!room.can('manage_stage')) {
    room.close();
    showBlocker('gate.not_staff');
    return;
  }
  build(room);
}

function build(room) {
  const profiles = new Profiles(room);
  const bars = new SignalBars(room);
  const stage = mountStage(room, bars);
  const studio = room.can('host_show') && room.can('publish') ? mountStudio(room, stage) : null;
  document.body.classList.toggle('is-staff', studio === null);
  const board = new QuestionBoard(
    { list: byId('questions'), tabs: byId('question-tabs'), more: byId('questions-more'), empty: byId('questions-empty') },
    room, profiles, (open) => badge('badge-questions', open));
  new RequestList({ list: byId('requests'), empty: byId('requests-empty') }, room, profiles, (waiting) => {
    badge('badge-stage', waiting);
    byId('requests-count').textContent = waiting ? String(waiting) : '';
  });
  new ShelfPanel({ list: byId('shelf'), empty: byId('shelf-empty') }, room);
  const chat = new ChatList(byId('chat'), { onPerson: (person) => openPerson(person, room, profiles) });
  chat.reset(room.state.chat);
  room.addEventListener('chat', ({ detail }) => (detail.isReset ? chat.reset(detail.added) : chat.add(detail.added)));
  room.addEventListener('shed', ({ detail }) => detail.lane === 'chat' && chat.note('chat.shed', { n: detail.count }));
  room.addEventListener('message', ({ detail }) => detail.type === 'order_placed'
    && chat.note('chat.bought', { name: detail.name, title: detail.title, n: detail.qty }));
  mountChatForm({ form: byId('chat-form'), input: byId('chat-input') }, room);
  mountChatFlow(byId('chat-head'), room);
  mountFigures(room, bars);
  // Before the show a host looks at the camera, during it at the questions.
  choosePanel(room.state.show.phase === 'live' ? 'questions' : 'stage');
  const help = mountShortcuts(shortcutsOf(board, studio, stage));
  byId('help').addEventListener('click', help);
}

function mountStage(room, bars) {
  const sound = byId('sound');
  const stage = new VideoStage(byId('tiles'), {
    room,
    onSound: (isOn) => {
      sound.setAttribute('aria-pressed', String(!isOn));
      document.body.classList.toggle('is-silent', !isOn);
    },
    decorate: (tile, seat) => {
      decorateSeat(tile, seat, room);
      bars.mount(tile);
    },
    onRendered: (seats) => document.body.classList.toggle('has-stage', seats > 0),
  });
  sound.addEventListener('click', () => stage.setSound(!stage.isSoundOn));
  // The host acts on this page at once, and the first press of anything allows sound.
  document.addEventListener('pointerdown', () => stage.isSoundOn || stage.setSound(true), { once: true });
  room.play().catch((error) => console.warn('cannot watch the stage', error));
  return stage;
}

function mountStudio(room, stage) {
  return new Studio({
    root: byId('studio'), goLive: byId('go-live'), endShow: byId('end-show'), title: byId('title-input'),
    micButton: byId('own-mic'), camButton: byId('own-camera'),
  }, room, stage);
}

function mountFigures(room, bars) {
  const showPhase = () => {
    const { show } = room.state;
    document.body.dataset.phase = show.phase;
    setText(byId('phase'), `phase.${show.phase}`);
    byId('console-title').textContent = show.title || room.state.room;
    byId('show-clock').textContent = show.phase === 'live' || show.phase === 'host_lost' ? clock(room.now() - show.started_ms) : '';
  };
  const showCounts = () => {
    byId('viewers').textContent = compact(room.state.viewers);
    byId('likes').textContent = compact(room.state.likes);
  };
  room.addEventListener('show', showPhase);
  room.addEventListener('counts', showCounts);
  onLangChange(showCounts);
  setInterval(showPhase, 1000);
  setInterval(() => showQuality(room, bars), QUALITY_EVERY_MS);
  showPhase();
  showCounts();
}

async function showQuality(room, bars) {
  const { level, rttMs, publish } = await room.getQuality();
  bars.setOwn(room.about().seat?.seat ?? -1, publish);
  const pill = byId('quality');
  pill.hidden = !publish;
  if (!publish) return;
  pill.dataset.level = level;
  setText(byId('quality-text'), `quality.${level}`);
  setAttr(pill, 'title', 'quality.detail', {
    mbps: (publish.bps / 1e6).toFixed(1), height: publish.height, fps: Math.round(publish.fps), rtt: rttMs ?? '–',
    loss: (publish.lossRatio * 100).toFixed(1),
  });
  byId('quality-figures').textContent = `${(publish.bps / 1e6).toFixed(1)} Mbps · ${publish.height}p${Math.round(publish.fps)}`;
}

function shortcutsOf(board, studio, stage) {
  return [
    { keys: ['j', 'ArrowDown'], text: 'keys.next', run: () => board.move(1) },
    { keys: ['k', 'ArrowUp'], text: 'keys.previous', run: () => board.move(-1) },
    { keys: ['w'], text: 'keys.claim', run: () => board.press('claim') },
    { keys: ['a'], text: 'keys.answer_live', run: () => board.press('answer-live') },
    { keys: ['t'], text: 'keys.answer_text', run: () => board.press('answer-text') },
    { keys: ['x'], text: 'keys.dismiss', run: () => board.press('dismiss') },
    { keys: ['p'], text: 'keys.profile', run: () => board.press('asker') },
    { keys: ['i'], text: 'keys.invite', run: () => board.press('question-invite') },
    { keys: ['c'], text: 'keys.chat', run: () => byId('chat-input').focus() },
    { keys: ['s'], text: 'keys.sound', run: () => stage.setSound(!stage.isSoundOn) },
    ...(studio ? [
      { keys: ['m'], text: 'keys.mic', run: () => studio.toggle('microphone') },
      { keys: ['v'], text: 'keys.camera', run: () => studio.toggle('camera') },
    ] : []),
  ];
}

/** On a phone the panels are tabs; on a wide screen all are there and the tabs are hidden. */
function mountTabs() {
  for (const tab of document.querySelectorAll('.console-tab')) {
    tab.addEventListener('click', () => choosePanel(tab.dataset.panel));
  }
}

function choosePanel(panel) {
  document.body.dataset.panel = panel;
  for (const tab of document.querySelectorAll('.console-tab')) {
    tab.setAttribute('aria-pressed', String(tab.dataset.panel === panel));
  }
}

function badge(id, count) {
  byId(id).textContent = count ? String(Math.min(count, 99)) : '';
}

start();
