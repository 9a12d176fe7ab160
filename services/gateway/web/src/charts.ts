// What ECharts draws lines and flows with: the largest part of the script, in a file of its own that is loaded after the first figures.
import { LineChart, SankeyChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([LineChart, SankeyChart, GridComponent, TooltipComponent, SVGRenderer]);

export { init };
