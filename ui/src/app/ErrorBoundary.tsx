import { Component } from "react";
import type { ErrorInfo, PropsWithChildren, ReactNode } from "react";

import { ErrorState } from "src/components/states";

/** Keeps a fault of one page of ours from taking Airflow's page down with it. */
export class ErrorBoundary extends Component<PropsWithChildren<{ quiet?: boolean }>, { error?: Error }> {
  override state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error("Pinwheel:", error, info.componentStack);
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    if (this.props.quiet) return null;
    return <ErrorState error={error} onRetry={() => this.setState({ error: undefined })} />;
  }
}
