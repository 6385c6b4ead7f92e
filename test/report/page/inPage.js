/** What tests look at inside the page; each function runs there and may use nothing from outside itself. */

/** Elements that a screen reader would have no name for. */
export function unnamedElements() {
  const nameOf = (element) =>
    element.getAttribute('aria-label') ||
    element.getAttribute('alt') ||
    element.labels?.[0]?.textContent ||
    element.textContent;
  const all = document.querySelectorAll('a, button, input, select, img, svg, [role=region], table');
  return [...all]
    .filter((element) => !nameOf(element)?.trim())
    .map((element) => element.outerHTML.slice(0, 80));
}

/** Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3). */
export function paleTexts() {
  const parts = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((value) => {
      const v = value / 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  // Transparent tints hardly change the card that they lie on.
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const colour = getComputedStyle(element).backgroundColor;
    return colour.startsWith('rgb(') ? parts(colour) : behind(element.parentElement);
  };
  const holdsText = (element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const isShown = (element) =>
    element.getClientRects().length > 0 && !element.closest('.hidden, [aria-disabled=true]');
  return [...document.querySelectorAll('p, td, th, a, h1, h2, h3, h4, li, span, label, button, del, div')]
    .filter((element) => holdsText(element) && isShown(element))
    .map((element) => {
      const text = luminance(parts(getComputedStyle(element).color).slice(0, 3));
      const ground = luminance(behind(element));
      const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
      return { contrast, text: `${element.className}: ${element.textContent.slice(0, 30)}` };
    })
    .filter(({ contrast }) => contrast < 4.5);
}

/** Controls below `least` pixels either way (WCAG 2.2, 2.5.8: 24); one within a label is as large as the label. */
export function smallTargets(least) {
  return [...document.querySelectorAll('a, button, input, textarea, summary')]
    .map((element) => element.closest('label') ?? element)
    .filter((element) => element.getClientRects().length > 0)
    .filter((element) => Math.min(element.offsetWidth, element.offsetHeight) < least)
    .map((element) => element.outerHTML.slice(0, 80));
}

/** Texts of which an ellipsis hides a part. */
export const cutTexts = () =>
  [...document.querySelectorAll('span')]
    .filter((element) => getComputedStyle(element).textOverflow === 'ellipsis')
    .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
    .map(({ textContent }) => textContent);

/** Whether an element begins within the window. */
export const isInView = (element) => {
  const { top } = element.getBoundingClientRect();
  return top >= 0 && top < innerHeight;
};

/** The focused control, and whether it or the label that stands for it shows where the focus is. */
export function focused() {
  const { activeElement } = document;
  const shows = [activeElement, ...(activeElement.labels ?? [])].some(
    (element) => getComputedStyle(element).outlineStyle !== 'none',
  );
  return { name: activeElement.id || activeElement.name || activeElement.textContent, shows };
}

/** Whether a script runs that the page does not have from the beginning. */
export function foreignScriptRuns() {
  const script = document.createElement('script');
  script.textContent = 'globalThis.foreign = true';
  document.body.append(script);
  return 'foreign' in globalThis;
}

export const pageWidth = () => document.documentElement.scrollWidth;
export const focusedIsCurrent = () => document.activeElement?.getAttribute('aria-current');
export const naturalSize = ({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight];
export const lineThrough = (element) => getComputedStyle(element).textDecorationLine;
export const outlineOf = (element) => getComputedStyle(element).outlineStyle;
export const valuesOf = (options) => options.map(({ value }) => value);
export const setHash = (hash) => {
  location.hash = hash;
};
export const focusedText = () => document.activeElement?.textContent;

/** Drops a file onto the page. */
export function drop({ name, bytes }) {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
  for (const type of ['dragover', 'drop'])
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}
