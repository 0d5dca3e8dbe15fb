/** How well each seat is heard, as bars beside its name. */
import { el } from '../ui/dom.js';
import { setAttr } from '../ui/i18n.js';

/** From the best: at most this loss (per mille) and round trip (ms) for so many bars. */
const STEPS = [
  { bars: 4, loss: 10, rtt: 150 },
  { bars: 3, loss: 30, rtt: 250 },
  { bars: 2, loss: 80, rtt: 600 },
];

export class SignalBars {
  /** @type {Map<number, import('../sdk/types.js').SeatSignal>} */ #signals = new Map();
  /** @type {Map<number, HTMLElement>} */ #nodes = new Map();
  /** What this page itself sends, which it knows best. */ #own = null;

  /** @param {import('../lianmai.js').Room} room */
  constructor(room) {
    room.addEventListener('seat_quality', ({ detail }) => {
      this.#signals = new Map(detail.seats.map((signal) => [signal.seat, signal]));
      this.#show();
    });
  }

  /** Give a tile its bars; called on every change of the seat. @param {import('../ui/stage-tile.js').StageTile} tile */
  mount(tile) {
    if (!tile.signal) {
      tile.signal = el('span', { class: 'signal-bars', testid: `signal-${tile.seat}`, attrs: { role: 'img', hidden: true } },
        ...Array.from({ length: 4 }, () => el('i')));
      tile.node.querySelector('.tile-name').append(tile.signal);
    }
    this.#nodes.set(tile.seat, tile.signal);
    this.#show();
  }

  /**
   * What this page sends from its own seat; null: nothing.
   * @param {number} seat @param {import('../sdk/quality.js').Direction|null} sent
   */
  setOwn(seat, sent) {
    this.#own = sent && ownSignal(seat, sent);
    this.#show();
  }

  #show() {
    for (const [seat, node] of this.#nodes) {
      const signal = this.#own?.seat === seat ? this.#own : this.#signals.get(seat);
      node.hidden = !signal;
      if (!signal) continue;
      node.dataset.bars = String(signal.bars);
      const figures = { kbps: signal.kbps, loss: (signal.loss_pm / 10).toFixed(1), rtt: signal.rtt_ms ?? '–' };
      for (const attribute of ['title', 'aria-label']) setAttr(node, attribute, `signal.${signal.bars}`, figures);
    }
  }
}

/** @returns {import('../sdk/types.js').SeatSignal} */
function ownSignal(seat, { bps, lossRatio, rttMs }) {
  const loss = Math.round(1000 * lossRatio);
  const step = STEPS.find((each) => loss <= each.loss && (rttMs ?? 0) <= each.rtt);
  const bars = bps === 0 ? 0 : (step?.bars ?? 1);
  return { seat, bars, loss_pm: loss, kbps: Math.round(bps / 1000), rtt_ms: rttMs ?? undefined };
}
