/**
 * Tells the server how large each video slot is shown here, so that a tile is not sent as a full
 * picture and what nobody sees is not sent at all. Sound is never touched.
 *
 * What gets larger is told at once, what gets smaller after a moment: a page that is laid out anew
 * must not make layers flap. Elements are measured in CSS pixels: a tile stays a tile on a fine
 * screen.
 */

/** A smaller or hidden element must stay so for this long. */
const SETTLE_MS = 500;
/** With a longer side below this a picture is a tile. */
const SMALL_BELOW_PX = 400;
/** A frozen picture this long after its slot was shown again comes from the pause before. */
const RESUME_MS = 2_000;
const RANK = { hidden: 0, small: 1, big: 2 };

/** @typedef {'big'|'small'|'hidden'} SlotSize */
/** @typedef {'low'|'medium'|'high'} LayerName */
/** @typedef {{size: SlotSize, max_layer?: LayerName}} Shape */

export class SlotShapes {
  /** @type {LayerName|null} */ maxLayer = null;
  /** @type {Map<Element, {isSeen: boolean, longerPx: number|null}>} */ #elements = new Map();
  /** @type {Map<number, Set<Element|null>>} by seat; null: nobody looks */ #watched = new Map();
  /** @type {Map<string, number>} by mid of a fed video slot: its seat, -1: not shown there */ #slots = new Map();
  /** @type {Map<string, Shape|null>} by mid: what the server knows; null: unsure */ #told = new Map();
  /** @type {Map<string, number>} by mid: when it was last hidden */ #hiddenAt = new Map();
  #timer = 0;
  #send;
  #resizes = new ResizeObserver((entries) => this.#measured(entries));
  #crossings = new IntersectionObserver((entries) => this.#crossed(entries));

  /** @param {(shape: Shape & {mid: string}) => boolean} send false: it did not leave */
  constructor(send) {
    this.#send = send;
    document.addEventListener('visibilitychange', this.#update);
    for (const type of ['enterpictureinpicture', 'leavepictureinpicture']) {
      document.addEventListener(type, this.#update, true);
    }
  }

  /**
   * `element` shows this seat; null: nobody looks at it, for one's own mirror is shown instead.
   * A seat that was never watched is taken as big.
   * @param {number} seat
   * @param {Element|null} element
   * @returns {() => void} ends it
   */
  watch(seat, element) {
    if (!this.#watched.has(seat)) this.#watched.set(seat, new Set());
    this.#watched.get(seat).add(element);
    if (element) {
      this.#elements.set(element, { isSeen: true, longerPx: null }); // until the observers tell
      this.#resizes.observe(element);
      this.#crossings.observe(element);
    }
    this.#update();
    return () => this.#unwatch(seat, element);
  }

  /** @param {LayerName|null} layer The best layer wanted; null: the server chooses. */
  setMaxLayer(layer) {
    this.maxLayer = layer;
    this.#flush();
  }

  /** The slot map changed. @param {Map<string, number>} slots fed video mids to seats, -1: not shown */
  setSlots(slots) {
    this.#slots = slots;
    this.#update();
  }

  /** A new transport: every slot is big and without limit there. */
  reset() {
    this.#slots = new Map();
    this.#told.clear();
    this.#hiddenAt.clear();
  }

  /** What was told may be lost with the socket. */
  resend() {
    for (const mid of this.#slots.keys()) this.#told.set(mid, null);
    this.#flush();
  }

  /** Whether the slot was hidden after `sinceMs` (performance clock): its freezes do not count. */
  wasHidden(mid, sinceMs) {
    if (this.#told.get(mid)?.size === 'hidden') return true;
    return (this.#hiddenAt.get(mid) ?? -Infinity) > sinceMs - RESUME_MS;
  }

  close() {
    clearTimeout(this.#timer);
    this.#resizes.disconnect();
    this.#crossings.disconnect();
    document.removeEventListener('visibilitychange', this.#update);
    for (const type of ['enterpictureinpicture', 'leavepictureinpicture']) {
      document.removeEventListener(type, this.#update, true);
    }
  }

  #unwatch(seat, element) {
    this.#watched.get(seat)?.delete(element);
    if (!this.#watched.get(seat)?.size) this.#watched.delete(seat);
    if (element) {
      this.#elements.delete(element);
      this.#resizes.unobserve(element);
      this.#crossings.unobserve(element);
    }
    this.#update();
  }

  #measured(entries) {
    for (const { target, contentRect } of entries) {
      const known = this.#elements.get(target);
      if (known) known.longerPx = Math.max(contentRect.width, contentRect.height);
    }
    this.#update();
  }

  #crossed(entries) {
    for (const { target, isIntersecting } of entries) {
      const known = this.#elements.get(target);
      if (known) known.isSeen = isIntersecting;
    }
    this.#update();
  }

  #update = () => {
    let isSettling = false;
    for (const [mid, seat] of this.#slots) {
      const shape = this.#shape(seat);
      const told = this.#toldOf(mid);
      // The first word on a slot is said at once, before bits flow that nobody wants.
      if (!this.#told.has(mid) || (told && RANK[shape.size] > RANK[told.size])) this.#tell(mid, shape);
      else if (!isSame(shape, told)) isSettling = true;
    }
    if (isSettling) this.#timer ||= setTimeout(() => this.#flush(), SETTLE_MS);
  };

  #flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    for (const [mid, seat] of this.#slots) this.#tell(mid, this.#shape(seat));
  }

  #tell(mid, shape) {
    const told = this.#toldOf(mid);
    if (isSame(shape, told)) {
      this.#told.set(mid, told);
      return;
    }
    if (told?.size === 'hidden') this.#hiddenAt.set(mid, performance.now());
    const hasLeft = this.#send({ mid, ...shape });
    this.#told.set(mid, hasLeft ? shape : null);
  }

  #toldOf(mid) {
    return this.#told.has(mid) ? this.#told.get(mid) : { size: 'big' };
  }

  /** @returns {Shape} */
  #shape(seat) {
    const size = this.#size(seat);
    if (!this.maxLayer) return { size };
    // Who asks for the best gets it in a tile, too.
    return { size: size === 'small' && this.maxLayer === 'high' ? 'big' : size, max_layer: this.maxLayer };
  }

  /** @returns {SlotSize} */
  #size(seat) {
    if (seat < 0) return 'hidden';
    const floating = document.pictureInPictureElement;
    const elements = this.#watched.get(seat);
    if (!elements) return document.visibilityState === 'hidden' && !floating ? 'hidden' : 'big';
    const sizes = [...elements].map((element) => this.#elementSize(element, floating));
    return sizes.reduce((best, size) => (RANK[size] > RANK[best] ? size : best), 'hidden');
  }

  #elementSize(element, floating) {
    if (!element) return 'hidden';
    if (floating && element.contains(floating)) return 'big';
    const { isSeen, longerPx } = this.#elements.get(element);
    if (document.visibilityState === 'hidden' || !isSeen || longerPx === 0) return 'hidden';
    return longerPx === null || longerPx >= SMALL_BELOW_PX ? 'big' : 'small';
  }
}

function isSame(shape, told) {
  return told !== null && shape.size === told.size && shape.max_layer === told.max_layer;
}
