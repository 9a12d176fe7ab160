// useDark tells whether the page is dark, for pictures that take colours by value.
import { useEffect, useState } from "preact/hooks";

const query = matchMedia("(prefers-color-scheme: dark)");

export function useDark(theme: "auto" | "light" | "dark"): boolean {
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const turn = () => setDark(query.matches);
    query.addEventListener("change", turn);
    return () => query.removeEventListener("change", turn);
  }, []);
  return theme === "auto" ? dark : theme === "dark";
}
