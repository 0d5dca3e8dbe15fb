/** Guide: let a phone trust this server's certificate, so that it may use its camera. */
import { byId } from '../ui/dom.js';
import { mountLangSwitch, setText, translatePage } from '../ui/i18n.js';

function start() {
  translatePage();
  mountLangSwitch(document.querySelector('.lang-switch'));
  const state = byId('secure-state');
  setText(state, globalThis.isSecureContext ? 'phone.secure' : 'phone.insecure');
  state.classList.toggle('notice-warn', !globalThis.isSecureContext);
  for (const button of document.querySelectorAll('[data-system]')) {
    button.addEventListener('click', () => chooseSystem(button.dataset.system));
  }
  chooseSystem(systemOf(navigator.userAgent));
  checkCertificate();
}

function systemOf(agent) {
  if (/iPhone|iPad/.test(agent)) return 'ios';
  return /Android|HarmonyOS/.test(agent) ? 'android' : 'desktop';
}

function chooseSystem(system) {
  for (const button of document.querySelectorAll('[data-system]')) {
    button.setAttribute('aria-pressed', String(button.dataset.system === system));
  }
  for (const steps of document.querySelectorAll('[data-steps]')) steps.hidden = steps.dataset.steps !== system;
}

/** Without `--tls auto` there is no certificate of ours to install. */
async function checkCertificate() {
  const isThere = await fetch('/ca.crt', { method: 'HEAD' }).then((response) => response.ok, () => false);
  byId('ca-download').hidden = !isThere;
  byId('ca-missing').hidden = isThere;
}

start();
