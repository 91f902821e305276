/** Drawn inline: the host shares no icons. */
import { Icon } from "@chakra-ui/react";
import type { IconProps } from "@chakra-ui/react";

function line(path: string) {
  return function LineIcon(props: IconProps) {
    return (
      <Icon boxSize={4} aria-hidden {...props}>
        <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={2} strokeLinecap="round" strokeLinejoin="round">
          <path d={path} />
        </svg>
      </Icon>
    );
  };
}

export const PinIcon = line("M12 17v5 M5 17h14l-2-5V5h1V3H6v2h1v7z");
export const WarningIcon = line("M12 9v4 M12 17h.01 M10.3 3.9 1.8 18a2 2 0 0 0 1.7 3h17a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0z");
export const CheckIcon = line("M20 6 9 17l-5-5");
export const CrossIcon = line("M18 6 6 18 M6 6l12 12");
export const PlayIcon = line("M6 4l14 8-14 8z");
