/** A series in the size of a word. */
import { useEffect, useRef } from "preact/hooks";
import { colour, theme } from "../theme.ts";

const WIDTH = 120;
const HEIGHT = 24;

export function Spark({ values }: { readonly values: readonly number[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d") ?? null;
    if (element === null || context === null) return;
    element.width = WIDTH * devicePixelRatio;
    element.height = HEIGHT * devicePixelRatio;
    context.scale(devicePixelRatio, devicePixelRatio);
    if (values.length < 2) return;
    const least = Math.min(...values);
    const range = Math.max(...values) - least || 1;
    context.strokeStyle = colour("--accent");
    context.lineWidth = 1.25;
    context.beginPath();
    for (const [i, value] of values.entries()) {
      context.lineTo(
        (i / (values.length - 1)) * (WIDTH - 2) + 1,
        HEIGHT - 2 - ((value - least) / range) * (HEIGHT - 4),
      );
    }
    context.stroke();
  }, [values, theme.value]);
  return <canvas class="spark" ref={canvas} aria-hidden="true" />;
}
