/** The room's products, and which one is on every page. Rows are rebuilt only when they change. */
import { el, icon } from '../ui/dom.js';
import { price } from '../ui/format.js';
import { onLangChange } from '../ui/i18n.js';
import { productPicture } from '../ui/product.js';
import { accepted } from '../ui/toast.js';

export class ShelfPanel {
  #room;
  #shown = '';

  /** @param {{list: HTMLElement, empty: HTMLElement}} parts @param {import('../lianmai.js').Room} room */
  constructor({ list, empty }, room) {
    this.list = list;
    this.empty = empty;
    this.#room = room;
    room.addEventListener('shelf', () => this.#render());
    onLangChange(() => this.#render(true));
    this.#render();
  }

  #render(isForced = false) {
    const { products, pinned } = this.#room.state.shelf;
    this.empty.hidden = products.length > 0;
    const looks = JSON.stringify([products, pinned]);
    if (looks === this.#shown && !isForced) return;
    this.#shown = looks;
    this.list.replaceChildren(...products.map((product) => this.#row(product, product.sku === pinned)));
  }

  #row(product, isPinned) {
    const { sku } = product;
    const press = async (event) => {
      event.currentTarget.disabled = true;
      const button = event.currentTarget;
      await accepted(isPinned ? this.#room.unpinProduct(sku) : this.#room.pinProduct(sku));
      button.disabled = false;
    };
    return el('li', { class: 'shelf-row', testid: 'shelf-row', attrs: { 'data-sku': sku, 'data-pinned': String(isPinned) } },
      productPicture(product),
      el('span', { class: 'product-words' },
        el('span', { class: 'product-title', text: product.title }),
        el('strong', { class: 'product-price', text: price(product.price_minor, product.currency) })),
      el('button', {
        class: `btn btn-small ${isPinned ? 'btn-quiet' : 'btn-ask'}`, testid: `pin-${sku}`,
        attrs: { type: 'button', 'aria-pressed': String(isPinned) }, on: { click: press },
      }, icon('pin'), el('span', { key: isPinned ? 'shelf.unpin' : 'shelf.pin' })));
  }
}
