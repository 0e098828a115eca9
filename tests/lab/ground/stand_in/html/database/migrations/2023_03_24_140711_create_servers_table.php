<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('servers', function (Blueprint $table) {
            $table->id();
            $table->string('uuid')->unique();
            $table->string('name');
            $table->string('description')->nullable();
            $table->string('ip');
            $table->integer('port')->default(22);
            $table->string('user')->default('root');
            $table->foreignId('team_id');
            $table->foreignId('private_key_id');
            $table->timestamps();
        });
    }
};
