import "./language.ts";
import { render } from "preact";
import { App } from "./app.tsx";
import { followPlace } from "./place.ts";
import { beginSession } from "./session.ts";
import "uplot/dist/uPlot.min.css";
import "./style.css";

followPlace();
void beginSession();
render(<App />, document.body);
