/** The pinned product: picture, title, price, and the way to the shop. */
import { el, icon } from '../ui/dom.js';
import { price } from '../ui/format.js';
import { onLangChange } from '../ui/i18n.js';
import { productLink, productPicture } from '../ui/product.js';

export class ProductCard {
  #room;
  /** What was put away by hand stays away until another product comes. */
  #dismissed = '';
  #shown = '';

  /** @param {HTMLElement} root @param {import('../lianmai.js').Room} room */
  constructor(root, room) {
    this.root = root;
    this.#room = room;
    room.addEventListener('shelf', () => this.#render());
    onLangChange(() => this.#render(true));
    this.#render();
  }

  #render(isForced = false) {
    const { pinned, products } = this.#room.state.shelf;
    const product = products.find((each) => each.sku === pinned);
    if (!product) this.#dismissed = '';
    this.root.hidden = !product || product.sku === this.#dismissed;
    const looks = JSON.stringify(product ?? null);
    // Rebuilding the same card would lose the focus and load the picture again.
    if (!product || (looks === this.#shown && !isForced)) return;
    this.#shown = looks;
    this.root.dataset.sku = product.sku;
    this.root.replaceChildren(
      productPicture(product),
      el('span', { class: 'product-words' },
        el('span', { class: 'product-title', text: product.title, testid: 'product-title' }),
        el('strong', { class: 'product-price', text: price(product.price_minor, product.currency), testid: 'product-price' })),
      this.#buy(product),
      el('button', {
        class: 'icon-btn product-close', testid: 'product-close', label: 'common.close', attrs: { type: 'button' },
        on: { click: () => this.#dismiss(product.sku) },
      }, icon('close')));
  }

  #buy(product) {
    const href = productLink(product);
    if (!href) return null;
    return el('a', {
      class: 'btn btn-small btn-buy', key: 'shelf.buy', testid: 'product-buy',
      attrs: { href, target: '_blank', rel: 'noopener noreferrer' },
      on: { click: () => this.#room.clickProduct(product.sku) },
    });
  }

  #dismiss(sku) {
    this.#dismissed = sku;
    this.#render();
  }
}
