// The dashboard of Allied Ledger.
import { render } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { effect } from "@preact/signals";
import { startLive } from "./lib/live.ts";
import { startMeasures } from "./lib/measure.ts";
import { place, startRouter, view } from "./lib/router.ts";
import { startTerms } from "./lib/words.ts";
import { Category } from "./pages/Category.tsx";
import { Donor } from "./pages/Donor.tsx";
import { Entries } from "./pages/Entries.tsx";
import { Ledger } from "./pages/Ledger.tsx";
import { Overview } from "./pages/Overview.tsx";
import { Pledge } from "./pages/Pledge.tsx";
import { Layout } from "./parts/Layout.tsx";
import { FailedPage, UnknownPage } from "./parts/States.tsx";

function Page() {
  const { pathname } = place.value;
  const [failed, again] = useErrorBoundary();
  useEffect(again, [pathname]);
  if (failed) {
    return <FailedPage error={failed} />;
  }
  switch (pathname.split("/")[1]) {
    case "":
      return <Overview />;
    case "donor":
      return <Donor key={pathname} />;
    case "category":
      return <Category key={pathname} />;
    case "entries":
      return <Entries />;
    case "ledger":
      return <Ledger />;
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
