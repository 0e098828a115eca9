<?php

namespace App\Console;

use Illuminate\Database\Migrations\Migrator as Laravels;

/** Laravel's own, which tells of its work as it does from version 9 on. */
class Migrator extends Laravels
{
    protected function runUp($file, $batch, $pretend)
    {
        if ($pretend) {
            return parent::runUp($file, $batch, true);
        }
        $told = $this->output;
        $name = $this->getMigrationName($file);
        $this->output = null;
        try {
            Look::task($told, $name, fn () => parent::runUp($file, $batch, $pretend));
        } finally {
            $this->output = $told;
        }
    }

    public function runPending(array $migrations, array $options = [])
    {
        if (count($migrations) > 0) {
            Look::info($this->output, 'Running migrations.');
        }
        parent::runPending($migrations, $options);
    }

    protected function pretendToRun($migration, $method)
    {
        $class = new \ReflectionClass($migration);
        $this->output->writeln('  '.($class->isAnonymous() ? $this->getMigrationName($class->getFileName()) : $class->getName()));
        foreach ($this->getQueries($migration, $method) as $query) {
            $this->output->writeln('  ⇂ '.$query['query']);
        }
        $this->output->newLine();
    }

    protected function note($message)
    {
        if ($this->output) {
            Look::info($this->output, rtrim(strip_tags($message), '.').'.');
        }
    }
}
