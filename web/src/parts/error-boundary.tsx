/** A screen that breaks takes no other with it. */
import { Component, type ComponentChildren } from 'preact';
import { texts } from '../texts/texts.ts';

export class ErrorBoundary extends Component<{ children: ComponentChildren }, { broken: boolean }> {
  override state = { broken: false };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ broken: true });
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    const { app } = texts.value;
    return (
      <main class="pane">
        <div />
        <div class="empty">
          <p role="alert">{app.broken}</p>
          <button class="btn" type="button" onClick={() => location.reload()}>
            {app.reload}
          </button>
        </div>
      </main>
    );
  }
}
