/** What a product looks like, wherever it is shown. */
import { el, icon } from './dom.js';

/** Its picture; a bag where there is none or it cannot be had. @param {import('../sdk/types.js').Product} product */
export function productPicture(product) {
  const frame = el('span', { class: 'product-picture' });
  const bag = () => frame.replaceChildren(icon('bag'));
  if (product.picture_url) {
    frame.append(el('img', { attrs: { src: product.picture_url, alt: '', loading: 'lazy' }, on: { error: bag } }));
  } else {
    bag();
  }
  return frame;
}

/** The shop's page of it; null when there is none. Only web addresses, whatever a server says. */
export function productLink(product) {
  return /^https?:\/\//.test(product.link ?? '') ? product.link : null;
}
