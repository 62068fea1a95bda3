// The live picture: of the studio's camera through a WebSocket, or of this browser's own camera.

import { h, options, svg } from './dom.js';
import { post } from './api.js';

const OWN = 'browser';
const OTHER = 'other';
const WIDTH = 640; // of pictures that this browser takes
const QUALITY = 0.92;
const AGAIN_MS = 1000;
const LOOK_QUALITY = 0.8; // of pictures that models only look at

// What the whole page shares: which camera, and its stream.
const camera = { kind: '', stream: null };
try {
  camera.kind = localStorage.getItem('edge_vision_camera') || '';
} catch (error) { /* a browser that keeps nothing asks again */ }

function choose(kind) {
  camera.kind = kind;
  try {
    localStorage.setItem('edge_vision_camera', kind);
  } catch (error) { /* as above */ }
}

async function openOwn() {
  if (camera.stream && camera.stream.active) return camera.stream;
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) {
    throw new Error('This browser gives its camera only to pages on https:// or on its own machine. '
      + 'On another computer, "ssh -L 8090:127.0.0.1:8090 ROBOT" makes this page one of its own: '
      + 'http://127.0.0.1:8090/');
  }
  try {
    camera.stream = await navigator.mediaDevices.getUserMedia(
      { video: { width: WIDTH, height: 480, facingMode: 'user' }, audio: false });
  } catch (error) {
    const why = { NotAllowedError: 'its use was not allowed', NotFoundError: 'there is none',
      NotReadableError: 'another program uses it' }[error.name] || error.message;
    throw new Error(`The camera of this browser cannot be used: ${why}.`);
  }
  return camera.stream;
}

export class Stage {
  // heard(said): what models say; pulse(): the newest words of the studio
  constructor(pulse, heard = () => {}) {
    this.pulse = pulse;
    this.heard = heard;
    this.models = [];
    this.number = 0; // of the picture that is shown
    this.shown = 0; // pictures up to now, for tests and the rate
    this.times = [];
    this.problem = '';
    this.ended = false;
    this.canvas = h('canvas', { width: 640, height: 480, 'aria-label': 'Live picture' });
    this.marks = svg('svg', { viewBox: '0 0 640 480' });
    this.words = h('p', {}, 'waiting for the first picture');
    this.buttons = h('div', { class: 'row' });
    this.curtain = h('div', { class: 'curtain' }, this.words, this.buttons);
    this.prompt = h('p', { class: 'prompt', hidden: true });
    this.screen = h('div', { class: 'screen' }, this.canvas, this.marks, this.prompt, this.curtain);
    this.select = h('select', { 'aria-label': 'Camera', onchange: () => this.pick(this.select.value) });
    this.rate = h('span', { class: 'soft num' });
    this.node = h('section', { class: 'stage', 'aria-label': 'Live picture' }, this.screen,
      h('div', { class: 'row sourcebar' }, h('span', { class: 'soft' }, 'Camera'), this.select, this.rate));
    this.video = h('video', { muted: true, playsinline: '' });
    this.video.muted = true;
    this.onHide = () => (document.hidden ? this.rest() : this.begin());
    document.addEventListener('visibilitychange', this.onHide);
    this.timer = setInterval(() => this.update(), 500);
    this.connect();
    this.begin();
  }

  close() {
    this.ended = true;
    clearInterval(this.timer);
    document.removeEventListener('visibilitychange', this.onHide);
    if (this.socket) this.socket.close();
    this.video.srcObject = null;
  }

  // ---- which camera
  get studioSource() {
    return this.pulse()?.camera.source || '';
  }

  get kind() {
    if (camera.kind === OWN) return OWN;
    return this.studioSource ? 'studio' : '';
  }

  async pick(kind) {
    if (kind === OTHER) {
      const named = window.prompt('Which camera? 0 (the first of the studio\'s machine), a video file, '
        + 'or an address such as http://robot:8080/stream?topic=/image_raw', this.studioSource || '0');
      if (named === null) return this.update();
      return this.look(named);
    }
    choose(kind === OWN ? OWN : 'studio');
    this.problem = '';
    return this.begin();
  }

  async look(source) {
    try {
      await post('/api/source', { source });
      choose('studio');
      this.problem = '';
    } catch (error) {
      this.problem = error.message;
    }
    this.begin();
  }

  begin() {
    if (this.ended) return;
    this.number = 0;
    this.times = [];
    if (this.kind === OWN) this.beginOwn();
    else {
      this.video.srcObject = null;
      if (this.kind === 'studio') this.tell({ next: 0 });
    }
    this.update();
  }

  rest() {
    this.tell({ rest: true });
  }

  async beginOwn() {
    this.tell({ rest: true });
    try {
      const stream = await openOwn();
      if (this.ended || this.kind !== OWN) return;
      this.problem = '';
      this.video.srcObject = stream;
      await this.video.play();
      this.turn = (this.turn || 0) + 1; // an older loop ends
      this.drawOwn(this.turn);
      this.sendOwn(this.turn);
    } catch (error) {
      if (error.name !== 'AbortError') this.problem = error.message;
      this.update();
    }
  }

  drawOwn(turn) {
    if (turn !== this.turn || this.ended || this.kind !== OWN || !this.video.srcObject || document.hidden) return;
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width && this.video.currentTime !== this.lastTime) {
      this.lastTime = this.video.currentTime;
      this.number += 1;
      this.draw(this.video, width, height);
    }
    requestAnimationFrame(() => this.drawOwn(turn));
  }

  draw(picture, width, height) {
    if (this.frozen) return;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.marks.setAttribute('viewBox', `0 0 ${width} ${height}`);
      this.screen.style.aspectRatio = `${width} / ${height}`;
    }
    this.canvas.getContext('2d').drawImage(picture, 0, 0, width, height);
    this.shown += 1;
    this.times.push(performance.now());
    if (this.times.length > 30) this.times.shift();
    if (!this.curtain.hidden) this.update();
  }

  get fps() {
    const span = performance.now() - this.times[0];
    return this.times.length > 1 && performance.now() - this.times.at(-1) < 2000 ? 1000 * (this.times.length - 1) / span : 0;
  }

  // ---- the WebSocket
  connect() {
    if (this.ended) return;
    this.socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/live`);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => {
      this.tell({ models: this.models });
      this.begin();
    };
    this.socket.onmessage = ({ data }) => (typeof data === 'string' ? this.hear(JSON.parse(data)) : this.show(data));
    this.socket.onclose = () => setTimeout(() => this.connect(), AGAIN_MS);
  }

  tell(wish) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(wish));
  }

  async show(data) {
    if (this.kind !== 'studio' || document.hidden) return;
    const number = Number(new DataView(data).getBigUint64(0));
    this.tell({ next: number }); // the next one travels while this one is drawn
    try {
      const picture = await createImageBitmap(new Blob([new Uint8Array(data, 8)], { type: 'image/jpeg' }));
      if (this.kind === 'studio') {
        if (!this.frozen) this.number = number;
        this.draw(picture, picture.width, picture.height);
      }
      picture.close();
    } catch (error) { /* a damaged picture of the camera: the next one comes */ }
  }

  look_with(models) {
    this.models = models;
    this.tell({ models });
  }

  hear({ said, problem }) {
    this.heard(said || {}, problem || '');
    this.answered = true;
  }

  // this browser's pictures go to the models one after the other, as fast as they answer
  async sendOwn(turn) {
    while (turn === this.turn && !this.ended && this.kind === OWN && this.video.srcObject) {
      if (this.models.length && !document.hidden && this.number && this.socket.readyState === WebSocket.OPEN) {
        const blob = await this.blob(LOOK_QUALITY);
        const data = blob && await blob.arrayBuffer();
        if (this.ended || this.socket.readyState !== WebSocket.OPEN) continue;
        this.answered = false;
        if (data) this.socket.send(data);
        for (let i = 0; i < 100 && !this.answered; i += 1) await new Promise((done) => { setTimeout(done, 20); });
      }
      await new Promise((done) => { setTimeout(done, 40); });
    }
  }

  blob(quality = QUALITY) {
    return new Promise((done) => { this.canvas.toBlob(done, 'image/jpeg', quality); });
  }

  // ---- keeping a picture
  get ready() {
    return this.number > 0 && this.curtain.hidden;
  }

  // What is shown now: a number that the studio knows, or a JPEG of this browser.
  async grab() {
    if (!this.ready) return null;
    return this.kind === OWN ? { body: await this.blob() } : { frame: this.number };
  }

  flash() {
    this.screen.classList.remove('flash');
    void this.screen.offsetWidth; // begin the animation anew
    this.screen.classList.add('flash');
  }

  // Place of a click in the picture as x, y in 0..1; null beside it.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = Math.min(box.width / this.canvas.width, box.height / this.canvas.height);
    const x = (event.clientX - box.left - (box.width - this.canvas.width * scale) / 2) / (this.canvas.width * scale);
    const y = (event.clientY - box.top - (box.height - this.canvas.height * scale) / 2) / (this.canvas.height * scale);
    return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? [x, y] : null;
  }

  mark(points) {
    this.marks.replaceChildren(...points.map(([x, y]) => svg('circle',
      { class: 'point', cx: x * this.canvas.width, cy: y * this.canvas.height, r: 0.018 * this.canvas.width })));
  }

  // ---- what is said over the picture
  update() {
    const source = this.studioSource;
    const key = `${source}|${this.kind}`;
    if (key !== this.listed) {
      this.listed = key;
      const rows = [];
      if (!this.kind) rows.push(['', 'choose one']);
      rows.push([OWN, 'of this browser']);
      if (source) rows.push(['studio', `of the studio: ${source}`]);
      rows.push([OTHER, source ? 'another one ...' : 'of the studio\'s machine, or an address ...']);
      options(this.select, rows, this.kind);
      if (this.kind === 'studio' && !this.number) this.tell({ next: 0 });
    }
    this.select.value = this.kind;
    const { fps } = this;
    this.rate.textContent = fps ? `${fps.toFixed(0)} pictures/s` : '';
    const said = this.sentence(fps);
    this.words.textContent = said;
    this.curtain.hidden = !said;
    if (!this.kind !== this.asked) {
      this.asked = !this.kind;
      this.buttons.replaceChildren(...(this.kind ? [] : [
        h('button', { type: 'button', class: 'go', onclick: () => this.pick(OWN) }, 'Camera of this browser'),
        h('button', { type: 'button', onclick: () => this.look('0') }, 'Camera of the studio\'s machine'),
        h('button', { type: 'button', onclick: () => this.pick(OTHER) }, 'An address or a file ...')]));
    }
  }

  sentence(fps) {
    if (this.problem) return this.problem;
    if (!this.kind) return 'Where do the pictures come from?';
    if (this.kind === OWN) return this.number ? '' : 'allow this page to use the camera';
    const seen = this.pulse()?.camera;
    if (seen && !seen.good) return seen.sentence;
    return this.number && (fps || this.frozen || this.times.length < 2 || performance.now() - this.times.at(-1) < 5000)
      ? '' : 'waiting for the first picture';
  }
}
