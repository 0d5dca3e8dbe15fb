/** Where a viewer says something: a chat line, or a question that the chat cannot drown. */
import { accepted, toast } from '../ui/toast.js';

const MAX_CHARS = 500;

/** @param {{form: HTMLFormElement, input: HTMLInputElement}} parts @param {import('../lianmai.js').Room} room */
export function mountChatForm({ form, input }, room) {
  input.maxLength = MAX_CHARS;
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
