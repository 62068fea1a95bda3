'use strict';
// Shows the state that /api/events tells, and the stream as long as the page is looked at.

const by = (id) => document.getElementById(id);
const picture = by('picture');
const curtain = by('curtain');
let topic = '/overlay';
const NOTICE_MS = 4000; // long enough to read a sentence
let notice = ''; // why the last wish did not work
let noticeEnds = 0;
let state = null;

function text(id, value) {
  const node = by(id);
  if (node.textContent !== value) node.textContent = value;
}

// ---- the stream: none while the page is hidden or the camera stopped, so it costs nothing then
function wanted() {
  // without a camera node of ours, the pictures may come from another one
  return !document.hidden && state !== null && (state.camera.enabled || !state.camera.alive);
}

function restartStream() {
  if (wanted()) picture.src = `/stream?topic=${topic}&t=${Date.now()}`;
  else picture.removeAttribute('src');
  delete picture.dataset.retry;
}

function keepStream() {
  if (wanted() !== picture.hasAttribute('src')) restartStream();
}

picture.addEventListener('error', () => {
  if (!picture.hasAttribute('src') || picture.dataset.retry) return;
  picture.dataset.retry = 'yes';
  setTimeout(restartStream, 1500);
});
document.addEventListener('visibilitychange', keepStream);

// ---- what is shown of the state
const rate = (hz) => `${hz.toFixed(1)} /s`;
const ms = (value) => (value === null || value === undefined ? '–' : `${value.toFixed(1)} ms`);

function message(id, part) {
  text(id, part.message);
  by(id).className = `message ${part.level}`;
}

function listScores(id, rows, none) {
  const list = by(id);
  list.replaceChildren(...rows.map(([label, score]) => {
    const item = document.createElement('li');
    const name = document.createElement('span');
    const percent = document.createElement('span');
    const meter = document.createElement('meter');
    name.textContent = label;
    percent.textContent = `${Math.round(100 * score)} %`;
    meter.value = score;
    meter.setAttribute('aria-hidden', 'true');
    item.append(name, percent, meter);
    return item;
  }));
  if (!rows.length && none) {
    const item = document.createElement('li');
    item.className = 'none';
    item.textContent = none;
    list.append(item);
  }
}

function listFound(found, live) {
  listScores('detections', found.slice(0, 20).map((one) => [
    one.track === null ? one.class : `${one.class} #${one.track}`, one.score]),
  live ? 'nothing in the picture' : 'no picture to look at');
}

function showGesture({ gesture, gestures }) {
  by('gesture-card').hidden = !gestures.alive && !gesture.label;
  const quiet = gestures.enabled && gestures.level === 'ok';
  by('gesture-message').className = `message ${gestures.level}`;
  text('gesture-message', gestures.alive && !quiet ? gestures.message : '');
  text('gesture', gesture.label ? `${gesture.label} ${Math.round(100 * gesture.score)} %` : '–');
  listScores('gestures', gestures.scores.map((one) => [one.class, one.score]), '');
  text('settled', gestures.settled);
  const tip = gestures.fingertip;
  text('fingertip', tip ? `${Math.round(tip.x)}, ${Math.round(tip.y)}` : '–');
  by('fingertip').title = 'pixels of the image, from its top left';
  text('gesture-fps', gestures.alive ? rate(gestures.fps) : '–');
  by('gesture-fps').title = `network ${ms(gestures.inference_ms)}, `
    + `from the capture ${ms(gestures.latency_ms.p50)}`;
}

// ---- what was spoken: only new lines are added, so that a screen reader reads no line twice
let heard = null; // how many lines were spoken up to now; null: nothing is known yet

function listSpoken({ spoken, spoken_count: count, speech }) {
  by('spoken-card').hidden = !spoken.length && !speech.alive;
  by('mute').hidden = !speech.alive;
  by('mute').setAttribute('aria-pressed', String(speech.muted));
  text('mute', speech.muted ? 'Unmute robot' : 'Mute robot');
  by('speech-message').className = `message ${speech.level}`;
  text('speech-message', speech.alive && speech.level !== 'ok' ? speech.message : '');
  const list = by('spoken');
  if (heard === null || count < heard) list.replaceChildren(); // first, or started again
  const fresh = list.children.length ? Math.min(count - heard, spoken.length) : spoken.length;
  const lines = fresh > 0 ? spoken.slice(-fresh) : [];
  for (const line of lines) {
    const item = document.createElement('li');
    item.textContent = line;
    list.append(item);
  }
  while (list.children.length > 5) list.firstChild.remove();
  if (heard !== null && count > heard) {
    spoken.slice(-Math.min(count - heard, 3)).forEach((line) => sayHere(line, speech.language));
  }
  heard = count;
}

// ---- this browser as the voice: off until asked for, and remembered by this browser alone
const REMEMBERED = 'edge_vision_speak_here';
const canSpeak = 'speechSynthesis' in window;
let speakHere = false;

function setSpeakHere(wanted) {
  speakHere = wanted;
  by('speak').setAttribute('aria-pressed', String(wanted));
  by('spoken').setAttribute('aria-live', wanted ? 'off' : 'polite'); // one voice is enough
  if (!wanted && canSpeak) speechSynthesis.cancel();
}

function sayHere(line, language) {
  // a browser lets no page speak that was never touched
  if (!speakHere || (navigator.userActivation && !navigator.userActivation.hasBeenActive)) return;
  const utterance = new SpeechSynthesisUtterance(line);
  if (language) utterance.lang = language;
  speechSynthesis.speak(utterance);
}

function remember(wanted) {
  try {
    if (wanted) localStorage.setItem(REMEMBERED, 'yes');
    else localStorage.removeItem(REMEMBERED);
  } catch (error) {
    // a browser that keeps nothing asks again next time
  }
}

by('speak').hidden = !canSpeak;
by('speak').addEventListener('click', () => {
  setSpeakHere(!speakHere);
  remember(speakHere);
});
try {
  setSpeakHere(canSpeak && localStorage.getItem(REMEMBERED) === 'yes');
} catch (error) {
  setSpeakHere(false);
}

function curtainText({ camera }) {
  if (!camera.alive && camera.level !== 'ok') return camera.message;
  if (camera.alive && !camera.enabled) return 'the camera is stopped';
  if (camera.level === 'error') return camera.message;
  return picture.naturalWidth ? '' : 'waiting for the first picture';
}

function show(next) {
  const was = state;
  state = next;
  const { camera, detector } = next;
  const live = camera.alive ? camera.enabled && camera.fps > 0 : camera.level === 'ok';
  const stopped = camera.alive && !camera.enabled;
  const pill = by('state');
  text('state', live ? 'live' : stopped ? 'stopped' : 'no picture');
  pill.className = `pill ${live ? 'ok' : stopped ? '' : 'bad'}`;
  const toggle = by('toggle');
  toggle.disabled = !camera.alive;
  toggle.hidden = !camera.alive && live;
  text('toggle', camera.enabled ? 'Stop camera' : 'Start camera');
  text('count', live ? String(detector.count) : '–');
  listFound(live ? detector.detections : [], live);
  showGesture(next);
  listSpoken(next);
  message('camera-message', camera);
  text('camera-fps', camera.alive ? rate(camera.fps) : '–');
  text('camera-size', camera.alive ? `${camera.width}×${camera.height}` : '–');
  text('camera-dropped', camera.alive ? String(camera.dropped) : '–');
  picture.style.aspectRatio = camera.width && camera.height
    ? `${camera.width} / ${camera.height}` : ''; // the page does not jump when pictures end
  message('detector-message', detector);
  by('detector-message').hidden = detector.message === `on ${detector.provider}`; // is below
  text('detector-fps', rate(detector.fps));
  text('latency', ms(detector.latency_ms.p50));
  by('latency').title = `95 of 100 within ${ms(detector.latency_ms.p95)}`;
  text('inference', ms(detector.inference_ms));
  text('provider', detector.provider || '–');
  text('model', detector.model.split('/').pop() || '–');
  by('model').title = detector.model;
  text('clients', `${next.clients} watching`);
  const minutes = Math.floor(next.uptime_s / 60);
  text('uptime', minutes ? `up ${minutes} min` : `up ${Math.floor(next.uptime_s)} s`);
  const hint = (Date.now() < noticeEnds && notice) || curtainText(next);
  text('curtain', hint);
  curtain.hidden = !hint;
  if (was === null || was.camera.enabled !== camera.enabled) restartStream();
  else keepStream();
}

picture.addEventListener('load', () => state && show(state));

// ---- the connection
let lost = false;
const events = new EventSource('/api/events');
events.onmessage = (event) => {
  if (lost) {
    lost = false;
    document.body.classList.remove('lost');
    picture.removeAttribute('src'); // the old stream died with the server
  }
  show(JSON.parse(event.data));
};
events.onerror = () => {
  lost = true;
  document.body.classList.add('lost');
  by('toggle').disabled = true;
  by('state').className = 'pill bad';
  text('state', 'no connection');
  text('curtain', 'no connection to the robot; trying again');
  curtain.hidden = false;
};

// ---- what a user can do
// Asks the robot for something; gives '' or the sentence that says why it did not work.
async function ask(path, wish) {
  try {
    const answer = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(wish),
    });
    if (answer.ok) return '';
    const said = await answer.text();
    return said.startsWith('{') ? JSON.parse(said).message : said;
  } catch (error) {
    return 'no connection to the robot';
  }
}

by('toggle').addEventListener('click', async () => {
  by('toggle').disabled = true;
  notice = await ask('/api/camera', { enabled: !state.camera.enabled });
  noticeEnds = Date.now() + NOTICE_MS;
  by('toggle').disabled = false;
  show(state);
});

by('mute').addEventListener('click', async () => {
  by('mute').disabled = true;
  const sentence = await ask('/api/speech', { muted: !state.speech.muted });
  if (sentence) text('speech-message', sentence);
  by('mute').disabled = false;
});

for (const tab of document.querySelectorAll('[data-topic]')) {
  tab.addEventListener('click', () => {
    topic = tab.dataset.topic;
    for (const other of document.querySelectorAll('[data-topic]')) {
      other.setAttribute('aria-pressed', String(other === tab));
    }
    by('save').href = `/snapshot?topic=${topic}`;
    restartStream();
  });
}

by('full').addEventListener('click', () => document.querySelector('.screen').requestFullscreen());
