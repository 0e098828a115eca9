<?php

namespace App\Console;

use Symfony\Component\Console\Output\OutputInterface;

/** Lines as Laravel from version 9 on prints them (Illuminate\Console\View\Components), at 80 columns. */
class Look
{
    private const WIDTH = 80;

    public static function info(OutputInterface $output, string $text): void
    {
        $output->writeln(['', "   INFO  {$text}  ", '']);
    }

    public static function warn(OutputInterface $output, string $text): void
    {
        $output->writeln(['', "   WARN  {$text}  ", '']);
    }

    public static function error(OutputInterface $output, string $text): void
    {
        $output->writeln(['', "   ERROR  {$text}  ", '']);
    }

    public static function columns(OutputInterface $output, string $first, string $second): void
    {
        $dots = str_repeat('.', max(self::WIDTH - strlen($first) - strlen($second) - 6, 0));
        $output->writeln("  {$first} {$dots} {$second}  ");
    }

    /** Runs it, and prints how long it took and how it ended, whether it throws or not. */
    public static function task(OutputInterface $output, string $text, callable $work): void
    {
        $output->write("  {$text} ");
        $began = microtime(true);
        $ended = 'FAIL';
        try {
            $work();
            $ended = 'DONE';
        } finally {
            $took = number_format((microtime(true) - $began) * 1000, 2).'ms';
            $dots = str_repeat('.', max(self::WIDTH - strlen($text) - strlen($took) - 10, 0));
            $output->writeln("{$dots} {$took} {$ended}");
        }
    }
}
