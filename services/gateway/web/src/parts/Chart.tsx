// Chart draws what ECharts draws, as SVG, in the colours of the page.
import { LineChart, SankeyChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsType } from "echarts/core";
import type { EChartsCoreOption } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef } from "preact/hooks";
import { view } from "../lib/router.ts";
import { useDark } from "./useDark.ts";
import { useWidth } from "./useWidth.ts";

use([LineChart, SankeyChart, GridComponent, TooltipComponent, SVGRenderer]);

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
  const chart = useRef<EChartsType | null>(null);
  const dark = useDark(view.value.theme);
  const room = Math.max(width, widthMin);
  useEffect(() => {
    if (!box.current || width === 0) {
      return;
    }
    chart.current ??= init(box.current, null, { renderer: "svg", width: room, height });
    chart.current.resize({ width: room, height });
    chart.current.setOption({ animation: false, ...option({ width: room }) }, { notMerge: true });
  }, [option, room, height, dark, width]);
  useEffect(() => {
    const c = chart.current;
    if (!c || !onSelect) {
      return undefined;
    }
    const select = (item: unknown) => onSelect(item as Parameters<typeof onSelect>[0]);
    c.on("click", select);
    return () => c.off("click", select);
  }, [onSelect, width === 0]);
  useEffect(() => () => chart.current?.dispose(), []);
  return (
    <div ref={ref} class="chart" role="img" aria-label={label}>
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
