/** The questions of the board as a table: a to-do list for after the show. */
import { t } from '../ui/i18n.js';

const COLUMNS = ['asked', 'phase', 'count', 'askers', 'text', 'product', 'answered_by', 'answer'];

/** @param {import('../sdk/types.js').Question[]} questions @returns {string} CSV with a byte order mark, for spreadsheets */
export function asCsv(questions) {
  const rows = questions.map((question) => [
    new Date(question.asked_ms).toISOString(), t(`export.phase.${question.phase}`), question.count ?? 1,
    (question.askers?.length ? question.askers : [question.name]).join(' '), question.text,
    question.product_id ?? '', question.answered_by ?? '', question.answer ?? '',
  ]);
  const head = COLUMNS.map((column) => t(`export.${column}`));
  return `\ufeff${[head, ...rows].map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`;
}

/** Hand a text to the person as a file. @param {string} name @param {string} text */
export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** What begins like a formula is made a text: viewers write these cells, staff open them. */
function cell(value) {
  const text = String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
