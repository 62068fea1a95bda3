// Try live: probabilities as bars, or the point on the picture, and the rate.

import { h, percent } from './dom.js';
import { modelSelect, models } from './models.js';
import { Stage } from './stage.js';

export function live(root, app) {
  let word = '';
  let times = [];
  let waiting = false;
  const stage = new Stage(() => app.pulse, heard);
  const select = modelSelect((chosen) => choose(chosen));
  const best = h('p', { class: 'big', id: 'best' }, '–');
  const bars = h('ul', { class: 'bars' });
  const rate = h('p', { class: 'soft num' });
  const problem = h('p', { class: 'bad' });
  const aside = h('aside', { class: 'stack' },
    h('section', { class: 'card stack' }, h('h2', {}, 'Model'), select.node, problem),
    h('section', { class: 'card stack', 'aria-live': 'off' }, h('h2', {}, 'It sees'), best, bars, rate),
    h('div', { class: 'card next' }, h('span', {}, 'Does it work? Put it on the robot.'), h('button', { type: 'button', class: 'go', onclick: () => app.go('deploy') }, 'Deploy →')));
  root.append(h('div', { class: 'two' }, stage.node, aside));

  function choose(chosen) {
    word = chosen;
    times = [];
    stage.mark([]);
    problem.textContent = '';
    stage.look_with(word ? [word] : []);
  }

  function heard(said, sentence) {
    problem.textContent = sentence;
    const answer = said[word];
    if (!answer) return;
    times.push(performance.now());
    if (times.length > 20) times.shift();
    const hz = times.length > 1 ? (1000 * (times.length - 1)) / (times.at(-1) - times[0]) : 0;
    rate.textContent = `${answer.ms.toFixed(0)} ms a look, ${hz.toFixed(1)} looks/s`;
    if (answer.task === 'classification') {
      const order = answer.numbers.map((score, i) => [answer.labels[i], score]);
      const [name, top] = order.reduce((a, b) => (b[1] > a[1] ? b : a));
      best.textContent = `${name} ${percent(top)}`;
      if (bars.children.length !== order.length) {
        bars.replaceChildren(...order.map(() => h('li', {}, h('span'), h('span', { class: 'num' }), h('meter', { 'aria-hidden': 'true' }))));
      }
      order.forEach(([label, score], i) => {
        const [title, number, meter] = bars.children[i].children;
        title.textContent = label;
        number.textContent = percent(score);
        meter.value = score;
      });
    } else {
      stage.mark(answer.numbers);
      best.textContent = answer.labels.map((name, i) => `${name} ${answer.numbers[i].map((v, k) => Math.round(v * [stage.canvas.width, stage.canvas.height][k])).join(', ')}`).join('; ');
      bars.replaceChildren();
    }
  }

  function update() {
    const rows = models(app, { compressed: true });
    if (!rows.length) {
      problem.textContent = 'There is no model yet: train one first.';
      waiting = true;
      return;
    }
    if (waiting) problem.textContent = '';
    waiting = false;
    const was = word;
    select.show(rows, word);
    if (select.node.value !== was) choose(select.node.value);
  }
  return { update, pulse() {}, close() { stage.close(); } };
}
