/** The picture quality that somebody chose on this device; null: whatever fits. */

const STORED = 'lianmai.layer';
const LAYERS = ['low', 'medium', 'high'];

/** @returns {import('../sdk/slot-shapes.js').LayerName|null} */
export function rememberedLayer() {
  try {
    const layer = localStorage.getItem(STORED);
    return LAYERS.includes(layer) ? layer : null;
  } catch {
    return null; // blocked storage: the choice lasts as long as the page
  }
}

/** @param {import('../sdk/slot-shapes.js').LayerName|null} layer */
export function rememberLayer(layer) {
  try {
    if (layer) localStorage.setItem(STORED, layer);
    else localStorage.removeItem(STORED);
  } catch {
    /* see rememberedLayer() */
  }
}
