// One drawing for the whole page: whatever changed marks it dirty, and it is drawn once in the next frame, never while hidden.

export function drawing(draw: () => void): () => void {
  let asked = false;

  function frame(): void {
    asked = false;
    if (!document.hidden) {
      draw();
    }
  }

  function dirty(): void {
    if (!asked && !document.hidden) {
      asked = true;
      requestAnimationFrame(frame);
    }
  }

  document.addEventListener("visibilitychange", dirty);
  return dirty;
}
