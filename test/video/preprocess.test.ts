/** Pixels for the vision model, and training crops. */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/base/random.js';
import type { Frames } from '../../src/video/frames.js';
import { CLIP_MEAN, CLIP_STD } from '../../src/video/normalisation.js';
import { randomResizedCrop, toPixelValues } from '../../src/video/preprocess.js';
import { resizeFrame } from '../../src/video/resize.js';

interface PillowCase {
  from: readonly [number, number];
  to: readonly [number, number];
  source: string;
  pillow: string;
}

/** Random pictures and what Pillow 12.3 makes of them: Image.resize(to, BICUBIC), RGB bytes in base64. */
const PILLOW: PillowCase[] = [
  {
    from: [5, 4],
    to: [9, 7],
    source: 'eUK98iEG8IR3YvDzy012TccHIFEVmg+J8sbayuNEuzESRf1vhN+a18Wz0HasDo9TpzVsiJE/IPb3LbAi',
    pillow:
      'cTrcoSyR+RoP/0Yg9412k9rMWerxpXah1TNwYnaQelpfqiwMyTEq11l8rLHMkOHnt5+N0HZYT9APPaYMJlYMVR0/nw6I1HPJ7dLU1t9wx+E3lXoAapANI7U6P5lqiXWY0Z25+8K+5LiR1LF4wCANl2gtUOppV/6HhOKWsder0cC2zYutyG+oQWw8WW5OhXVukI5jhrFbatiwVOTbW7J8X5REAJ9XMXRfoipssUNMiIs4QdS1DfnzGMxdIa8F',
  },
  {
    from: [3, 6],
    to: [8, 6],
    source: '0k0KltrUPBYXwamOeBKeAyc3EGXQlYZPFa2guEbBwOvFNIrceZrfhJutBdShCsBEHqrutLSO',
    pillow:
      '2D8A0FISv49jpdHBhcXEXWpsPx0eMwIEyLiMv6SPqmyaiiiiYgyPLhdgByY7ACktA2LdFWbLS3CZiX9eio5TTp96GqydCLGotzXBuUzBwozBx9jDq+bJbLnTOY7bJoDeeJrkeprdhJjMipe1caSoOL6jCtKhANqgCMIzCr9KCreMEq3aNqrqeq+8r7SSw7WE',
  },
  {
    from: [6, 2],
    to: [6, 9],
    source: '+gsfCr2A6ZijWrpeoL2HmcE1DUOecYl6p1/eMTSkqnLgViis',
    pillow:
      '/wURAMOB8Z6cX8lWn8Z9odIn/wcXA8CA7ZyfXcNZn8KBncst8g0jDbuA55alWbZgoLuKl7w5whg9IrF/2YqxUJpvoquciZ1RhCdfPqN9yHzBRneBpZi0eHVxRTaAWZV7t23QO1STqITLZkyQFUGabot6qWHcMjiiqnTdWC2oAEemeIZ6o1viLiupq23mUh60AEmsfYN5n1nlLCWsq2nqThe6',
  },
  { from: [1, 1], to: [3, 3], source: 'b+aK', pillow: 'b+aKb+aKb+aKb+aKb+aKb+aKb+aKb+aKb+aK' },
  {
    from: [4, 4],
    to: [5, 12],
    source: 'cz0RYaFdjq4rsELXlYrtsdWU1tES009mAvTecRDpk650IpI9fRcRZdwZBvY9V5l6',
    pillow:
      'cTEAXH5Aa7A9lY5erTzqdDkOY4RLdLU+m5FYsT3egkpNeZlnjMY9r5hGwT7AlGWpl7WQr9w9y6Mu1UCTlIfxp8C2xeBI2Kwg00lqZrn/kZ3Xv7Nuw64unV9RJO/7aWXyqnKenK1JUHxAAP7eT0XukFOzdrFcHZE7HrmbVFqsbX+OUMBdJJdNVlRJZoVSSMhSLdJWRJZpfg4Rc6MUL/soFt5RW5V9iwAAd60AJf8ZDONQYpWE',
  },
];
const PILLOW_SHRUNK: PillowCase[] = [
  {
    from: [24, 18],
    to: [8, 8],
    source:
      'ptzyv/XT2+3E4Oqu99OK8cBm86BR2YdBunJLr1g7h0RPdkdsWTuGR0eWO121O3nbSKvhbML4gdH0l+rsxvXg1fW+5eqm7NKMje/2tubgyefB5/Ku9dqQ58lt4KVd3ZJDw3ZAqEk+gkpMdkVbVj6BPUSbPmq3OoLeR6jwabv6d9/wo+zgwfvL1+q5596l5916mNraoOTHut/B3euY7M103b5m5aVGx4NGr2cqoEk+dzFBWz1WTT+AO0KSPFuvPXfARpfYXLvgd9TumebjuerF0uis1taa8tCDhc7YqdG6tNSi0taL08x017Ne05RDyGsnp0gjkD0kaDM2TyVQNStxMEGMIU+oMmywOpDFTa3OabfVjdnZmNO7t9Six8mQ48hgbre5jcK0oNeRtbp7xqhgzqFQzX0ip18cnEUbdSgkZyksRRBDLBNVFDJ4D0CYGFCxM3bJPZbHYrbUf7y5ktO2ss+OycV+yaVmY7vDismhpsiburBsvbBXt4c+sHEqs10akT4KexsSWBAWQwMpLAlSGCN2DTF/DEmiEmOqNYy7SKzEarO2isSaocODrbJ1tq1IZ7iqd8KcnruTuLN5sKhXsoouuHIWqEkHhjMEYh8LUAsdOgQ1IA5RFxVuCiGJBFOkDFy4KIWyTKS8X6m1fK6jpLx9ta5ysZdNWLWpdLmqlcCCsbljuKFPu5Y/rGUlmFsFlzMDZRgNWwocMwAjHwJDGRJnDDGOAk6fE2+zK3i9S6i7aam0ecacnbqJtLFyu5tBZbO8gMSxnb2Oq7Z+wrBTzIg2tH8grl0QiTIReiUWTyEsMww3HBVVCx1qCDeQD0ukKWa4LpS4XaPAcba+iMilmsKYuLlpuLJWbsrRisetuciVvc56065h2qVJxIgyvGYulksbjDwiXSIoTBVINCddKjh9F0+lImSyKHzHRpXTabbQeb/MpdjAvdGgu8B526plfd3irdXGuui4yOCJ4MqB6a5ZzYo9yG0xtlckljk5cC5ITyVbOzdiKjmJJ06uNW/GRYraTavYdbjVg9zLoNnBuNeu1dKY5rx5l+jwsOvc1O+03O2i68968rFp46tYy4E/t2owpVlIgkFTXUFkSjh6NUmTO2KrOXXNRKPca6/3gtH3nePjr/PT0u686NmZ4Mt1j/LltvfgyP3H3Oez7diN9rlt77NR54dAu3A+qVk7hEBVeD5nX0R7SU+iRGvCQIHTT5TrZrzxjdH4lN3jxfjR2+i53t+e9tiFod3xsu7Rz/bD3fWt6t+I8cB48alj2Yk9uXA3sGE+kUNLekNsVkp7REeZN1zATXjZVaTzb8H1gtv9mefls/3S3OzC6e6m8NaIkuXfuevO0eS/5OKk892A47xu7qdI2Xw+yGQyo1o1gzdQa0NjSzx7O1SaO1+sO3bFSpjqYbzrccjvluTbuunN2+TE59yo9sqIfdLlnOHGxOSu0uCb1cNz5atU06A+1Ho+smQjjkUocT05WSldPStlOTiSKVWiNHC9NInOTaLZbbzijN7PpdXGvOWpzdiW5L59eMnAo9G/vdapx86M17hrzKhPzIE9uHQynEoZhTIeYRw4QiFNLxtnGyp2IEylI2W/LXXKS6LVX63ZhsLInte+tNudzsmM2sNkdra7h8Cnm82as8l3z7ZWw5c7wHErrGASnUMXey8LURokRBo1HRFTGR1nEjyIC1irGnLGOJjKUpzCcL+7jsepsM6Jwb9tw6VL',
    pillow:
      'uezZ7diL14tGiUdORkycTaLooerl4+akoda81sZ0wnMwby86Lj2KPYzMi9TPz9GOh8KjuqZZplUTWBAeFhtuGWq0a7SysLVwf72guaZUo1UQUhAdERtsGWqzarKzrrRwnti+18FvwW4ubC08KTuFOobPiM7Oy8uOtvTZ7NmN2opEikhRRk+cUp3poObm5OSisefO5dOE1IM7gkFHPUiVSJXeld7d396jl860zLlntmcjYCMtHit6KnvGfMLDw8iA',
  },
  {
    from: [23, 9],
    to: [7, 9],
    source:
      'nN71ruzUzvTH5eid6OOW9Mtx+ahj2I1Hz3U6rVhBjkFQbEhiTz+KP1SVQmiySXzbT5nrYsL9hN7+qujtu+zi4/+44e6wl9vftPPb2OnL4/On9tWG7Mps4Ztd3nxJxmdFnE4+i0pQaT5nXkd7P1aaPWuzSYXTV6HmY8H8i9jsn9z0vO7fzvW44OCjht7hpuTJu+a71eGk8cV56Ldi3JRIzH03rWwzpkIyeThIWztURjuANUCcNGKrMX/ORpriXLfgfsfqktLVtenQvu6t2eOYis/NntzFt9qxz8uE4sNt5aJa0IQ8xmcqrVwshT8pciI9Uy9HRCBxMj2CLVafL2W9Qo3MQaPibMfZhtLPqNK6ueSg1dCTabzJiMe+rcWgvsZ5yrhny5JQuYYxvVsXn04RdiUhZhUpShw8LhhPISWAFjmQE1OkLHbBNpDJYqbHfcS8ncWrqcqivrlxcKquf8Cmlb6Iq618waRZuI87w3Qmrl4ZkToJcCcMWxMVLgIrIxhBDRVvGCySG1WhGWC9N47KTJy3ZK/BfsKlrb2ErLttarS+d7SajsGAtqtlrKxGwo40vXAiq1cPhi0RYhMHWRcZLQAiGw5TCxdcACeCAE2eIXCtNX27SpeuZKmse7qfk7qEtahua7WvfbGXmrCSrK9pvKlVuJQ8tHgpnVUVjT0GZRcOVRMQMg81Fg5NBxZrAimDEEaVD2qmMX/GSpKvW7O5eLCqor57pbF0aLTAi7+pm8GcvbN4yqFRzY45s3EyrF4in0IJgCALYxQmQgU6HRRbGhhwGkGLGlKnJG3AK4vAVbHMa7zGib2oncyMxL50',
    pillow:
      'uu3T79WE0XlCbUJlQG3Bec350vXKvu3S7s+Ax21FbUJkQnO+e8v0yezGq+XI5sFzvGozXzZdMmi7b8Dkv+i3p9i63bJlsVoqVidPLlipXrXZt9qrksaxyKlaokwYSBY+F0KZUZ/GqMaciLmcvJpPmkYONwwsEziUQpTCl76QgrmWuptBkjsNMgcsBTaJQY+0kLWMh7SXuJ1Mj0INMgwxBjSJPI64j7ePjr2mxZpPn0YUQQw6Fj+VRZ7HncWX',
  },
  {
    from: [40, 16],
    to: [9, 5],
    source:
      'oOL5uPvT3fHM3fWp796E9L13561a2oxKzHVBqVk7ilRTbk5oVEp+QU6bSlzGR47PWqHua775h933qOXvvuri3f+73+ar/uR+7sJw45xN4YFEx2REpk5BgVFebUZqXkqMO1KrN3LARo3bUJ3qZrjwiNbwpOj1uPTclt/wsPXl0ObG7eih6NaO6L5r5aNN2YI/ynE2qFY/fUpQaEViWT2CP02cSFuyRIDeT6XtYLf8d9v4lNviufDeze283OCf+Nx587xt5pVV2Y1Gt2szmEtDhkBSbDlrUkeDTlGtM269R4raV6TdbLX8gdDsp+DwuOvei9jXq+vEweas4dab38eG7Lph7J4/0oc8wGdAkUIuhzFAWTFRVDZqNTudN1CnPIHERJ3fZrfkdNTcjefkuNvH0Oms596Z69F68bdW5qJF1XYwr1c6lUo6dD5SYzNbRjlzN0eOLl7AN4HPSJzgWKzwecHuo97eqvDRg9DbpdTJu9+u19WY0r9l5KBX1I1Hu2kptEwskzkeaCc/TylWQyFkLEB/K1aZHmW+NIjWQqrXZLXih9XWpdbDv9ihxcqOzr5w0KVEyX49uGkin08thD02bzM/RRtVNTVqI0CHLEulK3K/MozSWbDaYcHZftnYrdC3c7vDhr2soc2ms8SJyq5qwpw6wH4ntGodnFAMejgjYCIkUBg9OBtWJSJyF0mIF2GmLHO6NprNXbPNcMC+lNCwo8WXyLl007ZbypM+zIMzsGQimDkgeS8TWRszPSM8JShnHTR1IE2SIVivMnfEPaDCaKfOgbbJnsyibbe+gbuvnbibtrBvt6tewIw9s2wrrlgJijgBeSsTShgeOgQ5Ig5OEBxzEzJ+EkeYJme3PX+7Upi7cbq1hMefqMmUs7dktapFuIY9sXcWnlAKkSwFbyMURQgeMAw3GglHByplEUGJG0yeImitQIu2VanIZ6+vh8ikXa28c7OplcOJo7tnsapXrowrrmUWmlULlC4MbxEHRg8TOAkoFApOFSNsACiLDkSTEGewIYm5P5e/ZrqqeK+ikLOBrbhnvKlNt3wnsG8glD8LhCUAYhYDPwkjOg40IgBNFhpfAy9/EUuZInWnL423UarBaqmug7ClaKi3ib6ZmrmCtb9zv6Fat4YwuHoko1MYlDITZxYWWhciOwApFxBLDiRxCjSEF0uiHmSwM4S4P6jCbruwe7GgpbyDurRosptPwZE4tWQSpk0XiisSbRgBWBMZOgUoExNIGBFgCzOMDVWhHV+rJoi9UJi2ZL25gcScYsDDh8q3q8Ocq7p3yqFiypBBu2whrGQhiToFbiITYBoYQRk3GxVGFCR0CUCNEEqnJmavLYS+RqHObbe9kriqobqOsL57zaRVvY4zunIpp0wPkjAPbCMRSw4nPw5CJhpTGht0BzWIDFykIHLDNYq9XrTJeLLDib6jgMLFjNmysNyVv8aCxbhp0Z9Qx4M6u20cn1Uofz4rYysyRiRGMSxZLy50ITueJWisLYa+OZjGZq/FeMPHlsq9tdqVvsaE0L1o1ZdRxX4ywFkkmE0VfDcaWycmSiBELyBdIDKMFDyVLGStNnnTT5fVZbLMf8/HqMazgsfZqOPEvOqszNiI2dNs2qhU4IpEvHg0ul4wjzkvejs6XixHPTdpOEmTM1WwNHbJRpXJXqzhd8DZisvWndvGx+Kq1N6G08t23KRazoxCwnM1olopjDUxci48XitPOzVsN0CGNUuhN3XMQo3gXbjgfMzfjNbXt+jIiePnteLO0ei13eWW5dKH8b1j5Z5az3dEsW48lk5Diz1MXjJmWjR6N0SQQWu9Q3XURaHkaLjpddjylujhtPTR2PO+6u6n5tF95bZr4KdH04U+u208k0Mzf0hPZUVqUUF+PE+cL262OHbHQ5LhYrzxgdj2qOLVrufLoe/vtv7i0/DL5e2n7eSN/r9o8aJP0pREz3A+sU9JjT9TdkFxWUJ9PVWWPV24UILKXaLhZ8b+d83+o+zzvvLO3fG33fKg/N+F8Ltz4qlT3ZBMtm09qUpGi05XczdfUUSFTlOkSHa5Q4bWXJ/3b8Prf97zqufox+rcpOfotv7X1+253vKz/uKP9cp25a9N54VNzHJDsF9EikNeekhoTlCESE2aQmu3OYLiUpXfZrvrfdv/ouTow/Lf1vTC6/Wo/eGG7sFn96lV3ZBOvl84plpMfT5MakVoW0OBTUyoSG/HUovhUq/vcrbpgdX8puvxyvfgm9nlt+rgzOm33dum7sx69rdo8qBM4IQ3s2RFrExJjklBbzlnVjZyP1OlOVu6SHPTSJ7ZW6zndtX1nuPbv/bKxO681+Gg6cuI7cNm7ptQ3nxEwmM8p041gEJVW0BkRjR8OkiUN2+zSoPPU6TtbLflhdz1l+LqtPLEkNLeq9rKxda14NWS4sB64q9a3po/1XcsrVI6jEkpcjlHXSZPQDp6LkaGLEukMG28QozMSqXsd8Poj9Xest7HyNez4M2Q6rtz4qRR0pk6v3IwpF8mikQveTQ5TStTRDt+Oj+YNmSkPm/DS5rjY7HkbcXmi9/RtuK8',
    pillow:
      'x+e+35xSdEFXRIDPp+Xa6rlmkUtJP2a1gc3rocKcuXgtUBs1H1qngcGzw5RBaiYkHUKLX6vDmb6QsG8oRRYuFlKgd7arvIo7ZBsYFTaDVaO8wOW02JZNbjtVQHvHoeDS4bZki0ZAPF6sf8rjy+e+45xTd0FcQn3NqeTb7LtpkkxGRWe0hdLp',
  },
];

function framesOf(
  n: number,
  width: number,
  height: number,
  value: (i: number, x: number, y: number, c: number) => number,
): Frames {
  const data = new Uint8Array(n * height * width * 3);
  let at = 0;
  for (let i = 0; i < n; i++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) data[at++] = value(i, x, y, c);
    }
  }
  const indices = Array.from({ length: n }, (_, i) => i);
  return { data, n, width, height, indices, timestamps: indices };
}

describe('toPixelValues', () => {
  test('without resampling every value is (level / 255 - mean) / std, planes in the order R, G, B', async () => {
    const rng = new Rng('levels');
    const frames = framesOf(3, 16, 16, () => rng.int(256));
    const pixels = await toPixelValues(frames, { imageSize: 16 });
    expect(pixels).toHaveLength(3 * 3 * 256);
    for (let i = 0; i < 3; i++) {
      for (let c = 0; c < 3; c++) {
        for (let p = 0; p < 256; p++) {
          const level = frames.data[(i * 256 + p) * 3 + c] as number;
          const expected = Math.fround((level / 255 - CLIP_MEAN[c]!) / CLIP_STD[c]!);
          expect(pixels[(i * 3 + c) * 256 + p]).toBe(expected);
        }
      }
    }
  });

  test("a recipe's own mean and std", async () => {
    const frames = framesOf(1, 4, 4, () => 51);
    const pixels = await toPixelValues(frames, { imageSize: 4, mean: [0, 0.1, 0.2], std: [1, 0.5, 0.25] });
    expect([pixels[0], pixels[16], pixels[32]].map((v) => v?.toFixed(5))).toEqual([
      '0.20000',
      '0.20000',
      '0.00000',
    ]);
  });

  test('squashes without keeping the aspect: a ramp stays a ramp in both directions', async () => {
    const frames = framesOf(1, 120, 60, (_, x, y, c) => [x * 2, y * 4, 128][c] as number);
    const pixels = await toPixelValues(frames, { imageSize: 30, mean: [0, 0, 0], std: [1, 1, 1] });
    for (let y = 3; y < 27; y++) {
      for (let x = 3; x < 27; x++) {
        const at = (c: number) => (pixels[c * 900 + y * 30 + x] as number) * 255;
        // The centre of output pixel x lies at (x + 0.5) * 4 - 0.5 of the source.
        expect(Math.abs(at(0) - ((x + 0.5) * 4 - 0.5) * 2)).toBeLessThanOrEqual(1);
        expect(Math.abs(at(1) - ((y + 0.5) * 2 - 0.5) * 4)).toBeLessThanOrEqual(1);
        expect(at(2)).toBeCloseTo(128, 3);
      }
    }
  });

  test("enlarging equals Pillow's BICUBIC bit for bit", async () => {
    for (const { from, to, source, pillow } of PILLOW) {
      const frame = { width: from[0], height: from[1], data: Uint8Array.from(Buffer.from(source, 'base64')) };
      const { data } = await resizeFrame(frame, { width: to[0], height: to[1] });
      expect(Buffer.from(data).toString('base64'), `${from} to ${to}`).toBe(pillow);
    }
  });

  test("shrinking stays within 5 levels of Pillow's BICUBIC, on noisy pictures", async () => {
    for (const { from, to, source, pillow } of PILLOW_SHRUNK) {
      const frame = { width: from[0], height: from[1], data: Uint8Array.from(Buffer.from(source, 'base64')) };
      const { data } = await resizeFrame(frame, { width: to[0], height: to[1] });
      const truth = Buffer.from(pillow, 'base64');
      const worst = Math.max(...truth.map((value, i) => Math.abs(value - (data[i] as number))));
      expect(worst, `${from} to ${to}`).toBeLessThanOrEqual(5);
    }
  });

  test('a crop is taken before resampling', async () => {
    const frame = framesOf(1, 40, 20, (_, x, y, c) => (x * 3 + y * 5 + c) % 256);
    const crop = { left: 0.25, top: 0.5, width: 0.25, height: 0.5 };
    const { data } = await resizeFrame(frame, { width: 10, height: 10 }, crop);
    // 10 x 10 pixels of the source from (10, 10): cut, not resampled.
    for (let p = 0; p < 100; p++) {
      const source = ((10 + Math.floor(p / 10)) * 40 + 10 + (p % 10)) * 3;
      for (let c = 0; c < 3; c++) expect(data[p * 3 + c]).toBe(frame.data[source + c]);
    }
  });

  test('a crop of a frame that has the size already is still a crop', async () => {
    const frame = framesOf(1, 8, 8, (_, x) => x * 30);
    const size = { width: 8, height: 8 };
    const half = await resizeFrame(frame, size, { left: 0.5, top: 0, width: 0.5, height: 1 });
    expect(half.data).not.toEqual(frame.data);
  });
});

describe('randomResizedCrop', () => {
  test('stays inside, keeps area and aspect in range, covers the range, repeats with the seed', () => {
    const rng = new Rng('crop');
    const areas: number[] = [];
    const ratios: number[] = [];
    const lefts: number[] = [];
    for (let round = 0; round < 3000; round++) {
      const { left, top, width, height } = randomResizedCrop(rng, 224);
      expect(left).toBeGreaterThanOrEqual(0);
      expect(top).toBeGreaterThanOrEqual(0);
      expect(left + width).toBeLessThanOrEqual(1 + 1e-12);
      expect(top + height).toBeLessThanOrEqual(1 + 1e-12);
      areas.push(width * height);
      ratios.push(width / height);
      lefts.push(left);
    }
    // One pixel of rounding at each side.
    expect(Math.min(...areas)).toBeGreaterThan(0.5 - 0.01);
    expect(Math.max(...areas)).toBeLessThanOrEqual(1);
    expect(Math.min(...ratios)).toBeGreaterThan(3 / 4 - 0.01);
    expect(Math.max(...ratios)).toBeLessThan(4 / 3 + 0.02);
    expect(Math.min(...areas)).toBeLessThan(0.52);
    expect(Math.max(...areas)).toBeGreaterThan(0.95);
    expect(Math.min(...ratios)).toBeLessThan(0.77);
    expect(Math.max(...ratios)).toBeGreaterThan(1.3);
    expect(Math.max(...lefts)).toBeGreaterThan(0.3);
    expect(randomResizedCrop(new Rng(5), 224)).toEqual(randomResizedCrop(new Rng(5), 224));
  });
});
