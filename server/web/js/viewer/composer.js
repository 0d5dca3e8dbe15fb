/** Where a viewer says something: a chat line, or a question that the chat cannot drown. */
import { setAttr } from '../ui/i18n.js';
import { accepted, toast } from '../ui/toast.js';

const MAX_CHARS = 500;

/** @param {{form: HTMLFormElement, input: HTMLInputElement}} parts @param {import('../lianmai.js').Room} room */
export function mountChatForm({ form, input }, room) {
  input.maxLength = MAX_CHARS;
  const showGap = () => {
    if (room.can('manage_stage')) return; // host and staff are free of slow mode
    const gap = room.state.slowModeS;
    setAttr(input, 'placeholder', gap ? 'chat.placeholder_slow' : 'chat.placeholder', { n: gap });
  };
  room.addEventListener('slow_mode', showGap);
  if (room.state.slowModeS) showGap();
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    input.value = '';
    if (!(await accepted(room.chat(text))) && !input.value) input.value = text;
  });
}

/**
 * The question row: always there beside a wide picture, behind its button on a phone.
 * @param {{form: HTMLFormElement, input: HTMLInputElement, send: HTMLButtonElement, open: HTMLElement, close: HTMLElement}} parts
 * @param {import('../lianmai.js').Room} room
 */
export function mountAskForm({ form, input, send, open, close }, room) {
  const setOpen = (isOpen) => {
    document.body.classList.toggle('is-asking', isOpen);
    open.setAttribute('aria-expanded', String(isOpen));
    (isOpen ? input : open).focus();
  };
  open.addEventListener('click', () => setOpen(true));
  close.addEventListener('click', () => setOpen(false));
  input.addEventListener('keydown', (event) => event.key === 'Escape' && setOpen(false));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || send.disabled) return;
    send.disabled = true; // one press, one question
    if (await accepted(room.ask(text))) {
      toast('ask.sent', {}, 'ok');
      input.value = '';
      if (document.body.classList.contains('is-asking')) setOpen(false);
    }
    send.disabled = false;
  });
}
