// The dashboard of Allied Ledger.
import { render } from "preact";
import { effect } from "@preact/signals";
import { startLive } from "./lib/live.ts";
import { startMeasures } from "./lib/measure.ts";
import { place, startRouter, view } from "./lib/router.ts";
import { startTerms } from "./lib/words.ts";
import { Category } from "./pages/Category.tsx";
import { Donor } from "./pages/Donor.tsx";
import { Overview } from "./pages/Overview.tsx";
import { Pledge } from "./pages/Pledge.tsx";
import { Layout } from "./parts/Layout.tsx";
import { UnknownPage } from "./parts/States.tsx";

function Page() {
  const { pathname } = place.value;
  switch (pathname.split("/")[1]) {
    case "":
      return <Overview />;
    case "donor":
      return <Donor key={pathname} />;
    case "category":
      return <Category key={pathname} />;
    case "pledge":
      return <Pledge key={pathname} />;
    default:
      return <UnknownPage pathname={pathname} />;
  }
}

startRouter();
startLive();
startMeasures();
void startTerms();
effect(() => {
  document.documentElement.dataset.theme = view.value.theme;
});
render(
  <Layout>
    <Page />
  </Layout>,
  document.getElementById("app")!,
);
