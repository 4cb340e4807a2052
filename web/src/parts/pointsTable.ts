// A panel's points as a table, in a dialog: what the picture shows, for those who would rather read it.

import { momentText } from "../charts/timeTicks";
import { type Frame, timeOf } from "../data/frame";
import { element, find } from "../dom";
import { type Look, type Panel, seriesOf } from "./panels";

/** Opens the dialog with the points that there are now, the newest first; they go when it closes. */
export function pointsTable(dialog: HTMLDialogElement): (panel: Panel, frame: Frame, utc: boolean) => void {
  const title = element("h2", { id: "points-title" });
  const box = element("div", { class: "points", tabindex: "0", role: "region", "aria-labelledby": "points-title" });
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => box.replaceChildren());
  dialog.append(title, box, close);

  return (panel, frame, utc) => {
    const series = seriesOf(panel, frame).filter((series) => panel.series.length > 1 && series.column !== panel.main);
    const end = timeOf(frame, frame.length);
    title.textContent = `${panel.title}, ${momentText(timeOf(frame, 0), end, utc)} to ${momentText(end, end, utc)}`;
    const heading = (text: string, scope: "col" | "row"): HTMLElement => element("th", { scope }, text);
    const body = element("tbody");
    for (let i = frame.drawn - 1; i >= 0; i -= 1) {
      const look: Look = (column) => frame.columns[column][i] ?? NaN;
      if (frame.unrecorded !== null && i < frame.unrecorded.to) {
        break;
      }
      body.append(
        element(
          "tr",
          {},
          heading(momentText(timeOf(frame, i), end, utc), "row"),
          element("td", {}, panel.head(look).join("\u202f")),
          ...series.map(({ value }) => element("td", {}, value(look))),
        ),
      );
    }
    const heads = [heading("time", "col"), heading(panel.subject, "col"), ...series.map(({ name }) => heading(name, "col"))];
    box.replaceChildren(element("table", {}, element("caption", { class: "unseen" }, `${panel.title} by time, newest first`), element("thead", {}, element("tr", {}, ...heads)), body));
    dialog.showModal();
    find("tbody", box).scrollIntoView({ block: "nearest" });
    box.focus();
  };
}
