// Chart draws what ECharts draws, as SVG, in the colours of the page.
import type { EChartsCoreOption, EChartsType } from "echarts/core";
import { useEffect, useRef, useState } from "preact/hooks";
import { view } from "../lib/router.ts";
import { useDark } from "./useDark.ts";
import { useWidth } from "./useWidth.ts";

type Charts = typeof import("/charts.js");

let charts: Promise<Charts> | undefined;

// load waits until the figures that are drawn without ECharts are there: it takes a while to start.
function load(): Promise<Charts> {
  charts ??= idle()
    .then(() => import("/charts.js"))
    .catch((error: unknown) => {
      charts = undefined;
      throw error;
    });
  return charts;
}

const idleMillisecondsMax = 1_000;

function idle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) {
      requestIdleCallback(() => resolve(), { timeout: idleMillisecondsMax });
    } else {
      setTimeout(resolve); // Safari
    }
  });
}

interface Props {
  // Made anew when the room or the colours change.
  option: (room: { width: number }) => EChartsCoreOption;
  height: number;
  // Below this width the picture scrolls within itself.
  widthMin?: number;
  label: string;
  onSelect?: (item: { dataType: string | undefined; data: unknown; seriesName: string | undefined }) => void;
}

export function Chart({ option, height, widthMin = 0, label, onSelect }: Props) {
  const { ref, width } = useWidth();
  const box = useRef<HTMLDivElement>(null);
  const [chart, setChart] = useState<EChartsType | null>(null);
  const [drawn, setDrawn] = useState<Props["option"] | null>(null);
  const [failed, setFailed] = useState(false);
  const dark = useDark(view.value.theme);
  const room = Math.max(width, widthMin);
  useEffect(() => {
    let gone = false;
    let made: EChartsType | undefined;
    load().then(
      ({ init }) => {
        if (!gone && box.current) {
          made = init(box.current, null, { renderer: "svg", width: box.current.clientWidth, height });
          setChart(made);
        }
      },
      () => !gone && setFailed(true),
    );
    return () => {
      gone = true;
      made?.dispose();
    };
  }, []);
  useEffect(() => {
    if (chart && width > 0) {
      chart.resize({ width: room, height });
      chart.setOption({ animation: false, ...option({ width: room }) }, { notMerge: true });
      setDrawn(() => option);
    }
  }, [chart, option, room, height, dark, width]);
  useEffect(() => {
    if (!chart || !onSelect) {
      return undefined;
    }
    const select = (item: unknown) => onSelect(item as Parameters<typeof onSelect>[0]);
    chart.on("click", select);
    return () => chart.off("click", select);
  }, [chart, onSelect]);
  return (
    <div ref={ref} class="chart" role="img" aria-label={label} aria-busy={drawn !== option && !failed}>
      {failed && <p class="nothing">The program that draws this could not be loaded. The table has all of it; reload the page to draw it.</p>}
      <div ref={box} style={{ width: `${room}px`, height: `${height}px` }} />
    </div>
  );
}

// tooltip builds what a tooltip shows from text alone: neither markup of a title nor inline style can get in.
export function tooltip(title: string, rows: { colour?: string; name: string; value: string }[]): HTMLElement {
  const box = document.createElement("div");
  box.className = "tip";
  const head = box.appendChild(document.createElement("strong"));
  head.textContent = title;
  const list = box.appendChild(document.createElement("dl"));
  for (const row of rows) {
    const name = list.appendChild(document.createElement("dt"));
    if (row.colour) {
      const dot = name.appendChild(document.createElement("i"));
      dot.style.background = row.colour;
    }
    name.append(row.name);
    list.appendChild(document.createElement("dd")).textContent = row.value;
  }
  return box;
}

// frame is what every tooltip has.
export const frame = { renderMode: "html", confine: true, className: "tip-frame", backgroundColor: "", borderWidth: 0, padding: 0, extraCssText: "" } as const;
