/* The work that a browser does before a sign-up is taken (subscriptions/work.py checks it with one hash): a counter such that
   SHA-256 of the form's token, a colon and the counter begins with so many zero bits. It begins when somebody comes to the form,
   in slices too short to be felt. If anything fails here, the form is sent without it, as it is where no script runs.

   SHA-256 (FIPS 180-4) is written out: the browser's own takes one call for each hash, which is slower than the hash, and all
   but the last block of the text is the same each time, and hashed once. */

"use strict";

(function () {
  const SLICE = 10; // Milliseconds of work before the page has its turn.
  const SOON = 3000; // Milliseconds after which it is worth saying how long it takes.

  const ROUNDS = Int32Array.of(
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  );
  const START = Int32Array.of(
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  );
  const words = new Int32Array(64);

  /** Let `state` take in the block of 64 octets that begins at `at`. */
  function compress(state, octets, at) {
    for (let i = 0; i < 16; i++, at += 4) {
      words[i] = (octets[at] << 24) | (octets[at + 1] << 16) | (octets[at + 2] << 8) | octets[at + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15], y = words[i - 2];
      const small = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const large = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = (words[i - 16] + small + words[i - 7] + large) | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i++) {
      const first = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t = (h + first + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
      const second = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const u = (second + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t) | 0; d = c; c = b; b = a; a = (t + u) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }

  /** A function that tells whether the hash of `text` (ASCII) and a counter begins with `bits` zero bits, up to 32. */
  function checker(text, bits) {
    const whole = text.length - (text.length % 64), rest = text.length - whole;
    const prefix = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const begun = START.slice(), state = new Int32Array(8), tail = new Uint8Array(128);
    for (let at = 0; at < whole; at += 64) compress(begun, prefix, at);
    return function (counter) {
      const digits = String(counter), end = rest + digits.length;
      tail.fill(0);
      tail.set(prefix.subarray(whole));
      for (let i = 0; i < digits.length; i++) tail[rest + i] = digits.charCodeAt(i);
      tail[end] = 0x80;
      const size = end + 9 > 64 ? 128 : 64;
      new DataView(tail.buffer).setUint32(size - 4, (whole + end) * 8);
      state.set(begun);
      for (let at = 0; at < size; at += 64) compress(state, tail, at);
      return state[0] >>> (32 - bits) === 0;
    };
  }

  const form = document.querySelector("form[data-work]");
  if (!form) return;
  const bits = Number(form.dataset.work), token = form.elements.token.value, result = form.elements.work;
  const button = form.querySelector("[type=submit]"), progress = document.getElementById("progress");
  const next = new MessageChannel();
  let isGood, counter = 0, spent = 0, asked = 0, estimate = 0, isAtWork = false, isWaiting = false, isOver = false;

  function say(text) {
    if (progress.textContent !== text) progress.textContent = text;
  }

  /** In words, for eyes and screen readers: only to who waits for it. */
  function tell() {
    if (performance.now() - asked < SOON) {
      say("One moment: your browser does a small piece of work first. It keeps robots out.");
    } else if (counter > 2 ** (bits + 1)) {
      say("It takes a little longer than usual, by chance. You need do nothing.");
    } else {
      estimate ||= Math.max(2, Math.ceil((2 ** bits / counter) * (spent / 1000)));
      const time = estimate < 90 ? `${estimate} seconds` : `${Math.ceil(estimate / 60)} minutes`;
      say(`Your browser is still at work. On this device it takes about ${time}.`);
    }
  }

  function finish() {
    isOver = true;
    isAtWork = false;
    if (!isWaiting) return;
    say("Done. Your request is on its way.");
    form.submit();
  }

  function slice() {
    const start = performance.now();
    try {
      do {
        for (const last = counter + 64; counter < last; counter++) {
          if (isGood(counter)) {
            result.value = String(counter);
            finish();
            return;
          }
        }
      } while (performance.now() - start < SLICE);
      spent += performance.now() - start;
      if (isWaiting) tell();
      next.port2.postMessage(0);
    } catch {
      finish();
    }
  }

  function begin() {
    if (isAtWork || isOver) return;
    isAtWork = true;
    try {
      isGood = checker(`${token}:`, bits);
      isOver = result.value !== "" && isGood(result.value); // The form came back with a slip in it: its work is done.
      if (isOver) finish();
      else slice();
    } catch {
      finish();
    }
  }

  next.port1.onmessage = slice;
  form.addEventListener("focusin", begin, { once: true });
  form.addEventListener("submit", function (event) {
    if (isOver || !form.elements.email.value.includes("@")) return; // What is no address is sent back in any case.
    event.preventDefault();
    if (isWaiting) return;
    isWaiting = true;
    asked = performance.now();
    button.setAttribute("aria-disabled", "true");
    begin();
    if (!isOver) tell();
  });
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) return; // Back from the next page: ready again.
    isWaiting = false;
    button.removeAttribute("aria-disabled");
    say("");
  });
})();
