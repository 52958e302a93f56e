/** Larger and smaller, and moving about in it: wheel, double click, drag, two fingers. At its own size a swipe goes to the next, and down closes. */
import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

const most = 8;
const swipe = 60;

type Point = { x: number; y: number };

export function useZoom(stage: RefObject<HTMLElement | null>, { swiped, pulledDown }: { swiped: (by: 1 | -1) => void; pulledDown: () => void }) {
  const view = useRef({ scale: 1, x: 0, y: 0 });
  const told = useRef({ swiped, pulledDown });
  told.current = { swiped, pulledDown };

  /** Never so far away that nothing of it is seen. */
  function show(): void {
    const box = stage.current;
    const picture = box?.querySelector('img');
    if (!box || !picture) return;
    const { scale } = view.current;
    const [wide, high] = [(box.clientWidth * (scale - 1)) / 2, (box.clientHeight * (scale - 1)) / 2];
    if (scale > 1) {
      view.current.x = Math.min(wide, Math.max(-wide, view.current.x));
      view.current.y = Math.min(high, Math.max(-high, view.current.y));
    }
    picture.style.transform = scale === 1 && view.current.x === 0 && view.current.y === 0 ? '' : `translate(${view.current.x}px, ${view.current.y}px) scale(${scale})`;
    box.dataset.large = scale > 1 ? 'yes' : 'no';
  }
  /** The point under the finger stays there. */
  function by(factor: number, at?: Point): void {
    const box = stage.current?.getBoundingClientRect();
    if (!box) return;
    const { scale, x, y } = view.current;
    const next = Math.min(most, Math.max(1, scale * factor));
    const [cx, cy] = at ? [at.x - box.left - box.width / 2, at.y - box.top - box.height / 2] : [0, 0];
    const ratio = next / scale;
    view.current = next === 1 ? { scale: 1, x: 0, y: 0 } : { scale: next, x: cx - (cx - x) * ratio, y: cy - (cy - y) * ratio };
    show();
  }
  function pan(x: number, y: number): void {
    view.current = { ...view.current, x: view.current.x + x, y: view.current.y + y };
    show();
  }
  function reset(): void {
    view.current = { scale: 1, x: 0, y: 0 };
    show();
  }

  useLayoutEffect(() => {
    const box = stage.current;
    if (!box) return;
    const fingers = new Map<number, Point>();
    let from: Point | null = null;
    const two = (): { middle: Point; apart: number } => {
      const [a, b] = [...fingers.values()] as [Point, Point];
      return { middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, apart: Math.hypot(a.x - b.x, a.y - b.y) };
    };
    const down = (event: PointerEvent): void => {
      if (event.button !== 0) return;
      box.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      from = fingers.size === 1 ? { x: event.clientX, y: event.clientY } : null;
    };
    const moved = (event: PointerEvent): void => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const was = fingers.size === 2 ? two() : null;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (was) {
        const now = two();
        by(now.apart / Math.max(1, was.apart), now.middle);
        pan(now.middle.x - was.middle.x, now.middle.y - was.middle.y);
      } else if (view.current.scale > 1) pan(event.clientX - before.x, event.clientY - before.y);
      else if (from && event.pointerType !== 'mouse') pan(event.clientX - before.x, Math.max(0, event.clientY - from.y) - view.current.y);
    };
    const up = (event: PointerEvent): void => {
      fingers.delete(event.pointerId);
      if (view.current.scale > 1 || !from || event.pointerType === 'mouse') return;
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      from = null;
      reset();
      if (event.type === 'pointercancel') return;
      if (Math.abs(x) > swipe && Math.abs(x) > Math.abs(y)) told.current.swiped(x < 0 ? 1 : -1);
      else if (y > 2 * swipe) told.current.pulledDown();
    };
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      by(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), { x: event.clientX, y: event.clientY });
    };
    const twice = (event: MouseEvent): void => (view.current.scale > 1 ? reset() : by(2.5, { x: event.clientX, y: event.clientY }));
    const controller = new AbortController();
    const { signal } = controller;
    box.addEventListener('pointerdown', down, { signal });
    box.addEventListener('pointermove', moved, { signal });
    box.addEventListener('pointerup', up, { signal });
    box.addEventListener('pointercancel', up, { signal });
    box.addEventListener('wheel', wheel, { signal, passive: false });
    box.addEventListener('dblclick', twice, { signal });
    return () => controller.abort();
  }, []);

  return { by, pan, reset, isLarge: () => view.current.scale > 1 };
}
