/** How the picture arrives, for whoever wonders: a level in the header, figures and a choice behind it. */
import { el } from '../ui/dom.js';
import { setAttr, setText } from '../ui/i18n.js';
import { rememberLayer, rememberedLayer } from '../ui/layer-choice.js';

const OPEN_EVERY_MS = 1_000;
const CLOSED_EVERY_MS = 4_000;
/** Empty: whatever fits. */
const CHOICES = [['', 'auto'], ['high', 'high'], ['medium', 'medium'], ['low', 'low']];
const ROWS = ['picture', 'receiving', 'sending', 'loss', 'rtt', 'jitter', 'freezes', 'path', 'join'];

export class QualityPanel {
  #room;
  #timer = 0;
  /** @type {Map<string, HTMLElement>} */ #values = new Map();

  /** @param {{button: HTMLButtonElement, panel: HTMLElement}} parts @param {import('../lianmai.js').Room} room */
  constructor({ button, panel }, room) {
    this.#room = room;
    this.button = button;
    this.panel = panel;
    this.#build();
    this.#choose(rememberedLayer());
    button.addEventListener('click', () => this.#toggle(panel.hidden));
    panel.addEventListener('keydown', (event) => event.key === 'Escape' && this.#toggle(false));
    document.addEventListener('pointerdown', ({ target }) => {
      if (!panel.contains(target) && !button.contains(target)) this.#toggle(false);
    });
    this.#refresh();
  }

  #build() {
    const rows = ROWS.map((name) => {
      const value = el('dd', { testid: `quality-${name}`, text: '–' });
      this.#values.set(name, value);
      return el('div', {}, el('dt', { key: `quality.${name}` }), value);
    });
    this.choices = el('div', { class: 'segments', label: 'quality.choice', attrs: { role: 'group' } },
      ...CHOICES.map(([layer, name]) => el('button', {
        class: 'segment', key: `quality.layer.${name}`, testid: `layer-${name}`, attrs: { type: 'button', 'data-layer': layer },
        on: { click: () => {
          rememberLayer(layer || null);
          this.#choose(layer || null);
        } },
      })));
    this.panel.append(
      el('h3', { key: 'quality.title' }), this.choices, el('dl', { class: 'quality-rows' }, ...rows));
  }

  #choose(layer) {
    this.#room.media.setMaxLayer(layer);
    for (const choice of this.choices.children) {
      choice.setAttribute('aria-pressed', String(choice.dataset.layer === (layer ?? '')));
    }
  }

  #toggle(isOpen) {
    if (this.panel.hidden !== isOpen) return;
    this.panel.hidden = !isOpen;
    this.button.setAttribute('aria-expanded', String(isOpen));
    if (!isOpen && this.panel.contains(document.activeElement)) this.button.focus();
    this.#refresh();
  }

  async #refresh() {
    clearTimeout(this.#timer);
    const quality = await this.#room.getQuality();
    clearTimeout(this.#timer); // another press may have come meanwhile
    this.#timer = setTimeout(() => this.#refresh(), this.panel.hidden ? CLOSED_EVERY_MS : OPEN_EVERY_MS);
    this.button.dataset.level = quality.level;
    setAttr(this.button, 'title', quality.level === 'none' ? 'quality.title' : `quality.${quality.level}`);
    if (!this.panel.hidden) this.#show(quality);
  }

  #show({ publish, play }) {
    this.#row('picture', play?.height ? 'quality.picture_is' : null, { width: play?.width, height: play?.height, fps: Math.round(play?.fps ?? 0) });
    this.#row('receiving', play && 'quality.mbps', { mbps: mbps(play?.bps) });
    this.#row('sending', publish && 'quality.sending_is', { mbps: mbps(publish?.bps), height: publish?.height });
    this.#values.get('sending').parentElement.hidden = !publish;
    this.#row('loss', play && 'quality.percent', { n: (100 * (play?.lossRatio ?? 0)).toFixed(1) });
    this.#row('rtt', play?.rttMs != null && 'quality.ms', { n: play?.rttMs });
    this.#row('jitter', play?.jitterMs != null && 'quality.ms', { n: play?.jitterMs });
    this.#row('freezes', play && 'quality.freezes_are', { n: play?.freezes, s: ((play?.freezeMs ?? 0) / 1000).toFixed(1) });
    this.#row('path', play?.path && `quality.path.${play.path}`);
    this.#showJoin(this.#room.media.joinTimes.play);
  }

  #showJoin(split) {
    const totalMs = split?.first_frame_ms ?? split?.first_packet_ms ?? split?.dtls_ms;
    this.#row('join', totalMs != null && 'quality.ms', { n: totalMs });
    if (!split) return;
    const known = Object.fromEntries(Object.entries(split).map(([name, ms]) => [name, ms ?? '–']));
    setAttr(this.#values.get('join'), 'title', 'quality.join_split', known);
  }

  /** Without a key: not known. */
  #row(name, key, vars) {
    setText(this.#values.get(name), key || 'quality.unknown', vars);
  }
}

function mbps(bps) {
  return ((bps ?? 0) / 1e6).toFixed(1);
}
